with

newest as (
    select
        tenant_id,
        destination_id,
        record_id,
        argMax(source.payload, (loaded_at, version)) as payload
    from {{ source('deals', 'deal_records') }} as source
    where kind = 'stage'
    group by tenant_id, destination_id, record_id
)

select
    tenant_id,
    destination_id,
    JSONExtractString(payload, 'pipeline_id') as pipeline_id,
    JSONExtractString(payload, 'stage_id') as stage_id,
    {{ bounded_text("JSONExtractString(payload, 'pipeline_label')", 200) }} as pipeline_label,
    {{ bounded_text("JSONExtractString(payload, 'label')", 200) }} as stage_label,
    JSONExtractInt(payload, 'position') as position,
    JSONExtractString(payload, 'outcome') as said_outcome,
    JSONExtractBool(payload, 'is_deleted') as is_stage_deleted
from newest
