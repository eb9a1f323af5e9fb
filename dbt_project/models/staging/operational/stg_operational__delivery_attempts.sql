with

source as (
    select * from {{ source('operational', 'delivery_attempts') }}
)

select
    tenant_id,
    attempt_id,
    delivery_id,
    destination_id,
    lead_id,
    toUInt32(attempt) as attempt,
    operation,
    coalesce(request, '') as request,
    response_status,
    coalesce(response, '') as response,
    latency_ms,
    outcome,
    coalesce(error_class, '') as error_class,
    toDateTime64(started_at, 3, 'UTC') as started_at
from source
order by mirrored_at desc
limit 1 by tenant_id, attempt_id
