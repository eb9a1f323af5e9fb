select
    *,
    dateDiff('second', updated_at, now64(3)) as waiting_seconds
from {{ ref('deliveries') }}
where
    state = 'dead'
    or (
        state in ('pending', 'in_flight', 'retry', 'delivered')
        and updated_at < now64(3) - toIntervalMinute({{ var('stuck_delivery_minutes') }})
    )
