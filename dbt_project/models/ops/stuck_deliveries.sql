-- The rule is that of echolead/operational/deliveries.py. The prefixes are the ledger's: reverse_etl/lead.py,
-- orchestration/erasure/withdrawing.py.
select
    *,
    dateDiff('second', created_at, now64(3)) as waiting_seconds,
    multiIf(
        startsWith(lead_id, 'erasure:'), 'withdrawal',
        startsWith(lead_id, 'conversation:'), 'conversation',
        'lead'
    ) as delivers
from {{ ref('deliveries') }}
where
    state = 'dead'
    or (
        state in ('pending', 'in_flight', 'retry')
        and (
            created_at < now64(3) - toIntervalMinute({{ var('stuck_delivery_minutes') }})
            or last_error_class in ('Misconfigured', 'Gone', 'Undecryptable')
        )
    )
