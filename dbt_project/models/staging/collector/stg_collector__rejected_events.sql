with

source as (
    select * from {{ source('collector', 'rejected_events') }}
)

select
    dead_letter_id,
    tenant_id,
    toDateTime64(received_at, 3, 'UTC') as received_at,
    stage,
    reason,
    detail,
    event_id,
    payload,
    is_base64,
    host,
    trace_id,
    toDateTime64(loaded_at, 3, 'UTC') as loaded_at
from source
order by loaded_at, _dlt_id
limit 1 by tenant_id, dead_letter_id
