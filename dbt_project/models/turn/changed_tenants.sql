{#-
  The tenants whose settings are others than those that their rows were built with. Reads the mirrored settings of all
  tenants and the seeds, a few thousand rows.
-#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id']) }}

{%- set applied = built_so_far('staging', 'applied_settings') %}
{%- set events = built_so_far('enriched', 'events') %}

with

destinations as (
    select
        tenant_id,
        groupBitXor(cityHash64(destination_id, destination_kind, is_enabled)) as destinations_hash
    from {{ ref('stg_operational__destinations') }}
    group by tenant_id
),

present as (
    select
        rules.tenant_id as tenant_id,
        {{ rules_version('own_hosts', known_time_zone('time_zone')) }} as rules_version,
        lower(hex(cityHash64(is_active, consent_default, destinations.destinations_hash))) as deliveries_version
    from {{ ref('tenant_rules') }} as rules
    left join destinations on rules.tenant_id = destinations.tenant_id
)

{%- if applied and events %}
,
-- A tenant that is new has nothing to be enriched again, unless its events came before its settings.
compared as (
    select
        present.*,
        applied.tenant_id = '' as is_new,
        applied.rules_version != present.rules_version as has_other_rules,
        applied.deliveries_version != present.deliveries_version as has_other_deliveries
    from present
    left join {{ applied }} as applied on present.tenant_id = applied.tenant_id
)

select
    tenant_id,
    rules_version,
    deliveries_version,
    has_other_rules and (
        not is_new or tenant_id in (
            select distinct tenant_id from {{ events }}
            where tenant_id in (
                select tenant_id from compared
                where is_new
            )
        )
    ) as has_other_rules,
    has_other_deliveries
from compared
where compared.has_other_rules or compared.has_other_deliveries

{%- else %}

select
    tenant_id,
    rules_version,
    deliveries_version,
    false as has_other_rules,
    false as has_other_deliveries
from present

{%- endif %}
