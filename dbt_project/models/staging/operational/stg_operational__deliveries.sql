with

source as (
    select * from {{ source('operational', 'deliveries') }}
)

select
    tenant_id,
    delivery_id,
    destination_id,
    lead_id,
    payload_hash,
    state,
    toUInt32(attempts) as attempts,
    coalesce(last_error_class, '') as last_error_class,
    {{ bounded_text("coalesce(source.last_error, '')", 100000) }} as last_error,
    toDateTime64(created_at, 3, 'UTC') as created_at,
    toDateTime64(updated_at, 3, 'UTC') as updated_at,
    toDateTime64(delivered_at, 3, 'UTC') as delivered_at,
    toDateTime64(verified_at, 3, 'UTC') as verified_at
from source
order by source.updated_at desc, mirrored_at desc
limit 1 by tenant_id, delivery_id
