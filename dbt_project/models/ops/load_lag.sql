with

events as (
    select
        tenant_id,
        toStartOfHour(received_at) as hour,
        dateDiff('millisecond', received_at, loaded_at) / 1000 as lag_seconds
    from {{ ref('stg_collector__events') }}
    where received_at > now() - toIntervalDay(7)
)

select
    tenant_id,
    hour,
    count() as events,
    quantileExact(0.5)(lag_seconds) as p50_seconds,  -- noqa: LT01
    quantileExact(0.95)(lag_seconds) as p95_seconds,  -- noqa: LT01
    quantileExact(0.99)(lag_seconds) as p99_seconds,  -- noqa: LT01
    max(lag_seconds) as max_seconds
from events
group by tenant_id, hour
