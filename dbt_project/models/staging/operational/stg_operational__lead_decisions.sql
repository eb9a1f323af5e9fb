with

source as (
    select * from {{ source('operational', 'lead_decisions') }}
)

select
    decision_id,
    tenant_id,
    kind,
    lead_id,
    other_lead_id,
    tracking_ids,
    toDateTime64(decided_at, 3, 'UTC') as decided_at,
    is_reverted,
    decided_by,
    {{ bounded_text('source.reason', 2048) }} as reason
from source
where
    source.mirrored_at = (select max(mirrored_at) from source)
    and decision_id != ''
limit 1 by tenant_id, decision_id
