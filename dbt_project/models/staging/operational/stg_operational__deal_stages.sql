with

source as (
    select * from {{ source('operational', 'deal_stages') }}
)

select
    tenant_id,
    destination_id,
    pipeline_id,
    stage_id,
    stage
from source
where
    source.mirrored_at = (select max(mirrored_at) from source)
    and tenant_id != ''
limit 1 by tenant_id, destination_id, pipeline_id, stage_id
