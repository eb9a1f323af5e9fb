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
    {{ bounded_text("coalesce(source.request, '')", 100000) }} as request,
    response_status,
    {{ bounded_text("coalesce(source.response, '')", 100000) }} as response,
    latency_ms,
    outcome,
    coalesce(error_class, '') as error_class,
    toDateTime64(started_at, 3, 'UTC') as started_at
from source
order by mirrored_at desc
limit 1 by tenant_id, attempt_id
