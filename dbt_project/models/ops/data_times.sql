{#-
  A view: how old the figures are, and what is not in them yet. Reads the last turn, the loads behind it, the failing steps,
  the tenant's open requests, and the version of its rules.
-#}
with

tenants as (
    select tenant_id from {{ ref('stg_operational__tenants') }}
    where tenant_id != ''
),

last_turn as (
    select
        last_load,
        ended_at
    from {{ ref('turns') }}
    order by turn desc
    limit 1
),

waiting as (
    select nullIf(min(loaded_at), toDateTime64(0, 3, 'UTC')) as waiting_since
    from {{ source('collector', 'loads') }}
    where load_seq > (select max(last_load) from last_turn)
),

failures as (
    select nullIf(min(failing_since), toDateTime64(0, 3, 'UTC')) as failing_since
    from {{ ref('stg_operational__live_failures') }}
),

changed_settings as (
    select
        tenant_id,
        min(created_at) as changed_at
    from {{ ref('stg_operational__warehouse_requests') }}
    where kind = 'settings' and is_open
    group by tenant_id
),

rules as (
    select
        tenant_id,
        max(version) as version
    from {{ ref('stg_operational__lead_rules') }}
    group by tenant_id
)

-- Everybody's figures are refreshed together; settings are each tenant's own.
select
    tenants.tenant_id as tenant_id,
    nullIf((select max(ended_at) from last_turn), toDateTime64(0, 3, 'UTC')) as refreshed_at,
    (select max(waiting_since) from waiting) as waiting_since,
    (select max(failing_since) from failures) as failing_since,
    nullIf(toDateTime64(changed_settings.changed_at, 3, 'UTC'), toDateTime64(0, 3, 'UTC')) as settings_changed_at,
    rules.version as rules_version
from tenants
left join changed_settings on tenants.tenant_id = changed_settings.tenant_id
left join rules on tenants.tenant_id = rules.tenant_id
