with

source as (
    select * from {{ source('operational', 'quarantine') }}
)

select
    quarantine_id,
    tenant_id,
    tracking_id,
    event_id,
    step,
    {{ bounded_text('source.message', 2048) }} as message,
    toDateTime64(quarantined_at, 3, 'UTC') as quarantined_at
from source
where
    source.mirrored_at = (select max(mirrored_at) from source)
    and quarantine_id != ''
limit 1 by tenant_id, quarantine_id
