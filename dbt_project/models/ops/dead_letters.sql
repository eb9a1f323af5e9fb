{#- Read newest first, by one tenant: raw.rejected_events is sorted by tenant and receipt. -#}
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
    source,
    ip,
    user_agent,
    toDateTime64(sent_at, 3, 'UTC') as sent_at,
    toDateTime64(loaded_at, 3, 'UTC') as loaded_at
from {{ source('collector', 'rejected_events') }}
