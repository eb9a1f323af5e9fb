with

source as (
    select * from {{ source('operational', 'live_failures') }}
)

select
    step,
    toDateTime64(failing_since, 3, 'UTC') as failing_since,
    {{ bounded_text('source.message', 2048) }} as message,
    culprit_tenant_id,
    event_id,
    toDateTime64(mirrored_at, 3, 'UTC') as mirrored_at
from source
where
    source.mirrored_at = (select max(mirrored_at) from source)
    and step != ''
