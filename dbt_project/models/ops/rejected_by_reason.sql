select
    tenant_id,
    toDate(received_at, 'UTC') as date,
    stage,
    reason,
    count() as rejected,
    max(received_at) as last_received_at,
    argMax(detail, received_at) as last_detail
from {{ ref('stg_collector__rejected_events') }}
group by tenant_id, date, stage, reason
