with

source as (
    select * from {{ source('operational', 'warehouse_requests') }}
)

select
    request_id,
    tenant_id,
    kind,
    lead_ids,
    toDateTime64(coalesce(received_from, toDateTime64(0, 6, 'UTC')), 3, 'UTC') as received_from,
    toDateTime64(coalesce(received_before, toDateTime64('2105-01-01 00:00:00', 6, 'UTC')), 3, 'UTC') as received_before,
    created_at,
    is_open
from source
where
    mirrored_at = (select max(mirrored_at) from source)
    and request_id != ''
