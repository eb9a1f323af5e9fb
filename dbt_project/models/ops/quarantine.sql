{#- Reads of raw the rows of the visitors who are left out. -#}
with

entries as (
    select * from {{ ref('stg_operational__quarantine') }}
),

waiting as (
    select
        tenant_id,
        tracking_id,
        uniqExact(event_id) as events
    from {{ source('collector', 'events') }}
    where (tenant_id, tracking_id) in (select tenant_id, tracking_id from entries)
    group by tenant_id, tracking_id
)

select
    entries.tenant_id as tenant_id,
    entries.quarantine_id as quarantine_id,
    entries.tracking_id as tracking_id,
    entries.event_id as event_id,
    entries.step as step,
    entries.message as message,
    entries.quarantined_at as quarantined_at,
    toUInt64(coalesce(waiting.events, 0)) as events
from entries
left join waiting on entries.tenant_id = waiting.tenant_id and entries.tracking_id = waiting.tracking_id
