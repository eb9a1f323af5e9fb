{#- A view: reads the tenant's stages and what they are mapped to, and its deals. -#}
with

deals as (
    select
        tenant_id,
        destination_id,
        pipeline_id,
        stage_id,
        countIf(not is_deleted and merged_into = '') as open_deals
    from {{ ref('deals') }}
    group by tenant_id, destination_id, pipeline_id, stage_id
),

history as (
    select
        tenant_id,
        destination_id,
        pipeline_id,
        stage_id,
        count() as entries
    from {{ ref('deal_stage_history') }}
    group by tenant_id, destination_id, pipeline_id, stage_id
),

mapped as (
    select * from {{ ref('stg_operational__deal_stages') }}
)

select
    stages.tenant_id as tenant_id,
    stages.destination_id as destination_id,
    destinations.destination_name as destination_name,
    stages.pipeline_id as pipeline_id,
    stages.pipeline_label as pipeline_label,
    stages.stage_id as stage_id,
    stages.stage_label as stage_label,
    stages.position as position,
    stages.said_outcome as said_outcome,
    deals.open_deals as deals,
    history.entries as entries
from {{ ref('stg_deals__stages') }} as stages
left join {{ ref('stg_operational__destinations') }} as destinations
    on stages.tenant_id = destinations.tenant_id and stages.destination_id = destinations.destination_id
left join deals
    on
        stages.tenant_id = deals.tenant_id
        and stages.destination_id = deals.destination_id
        and stages.pipeline_id = deals.pipeline_id
        and stages.stage_id = deals.stage_id
left join history
    on
        stages.tenant_id = history.tenant_id
        and stages.destination_id = history.destination_id
        and stages.pipeline_id = history.pipeline_id
        and stages.stage_id = history.stage_id
where
    (stages.tenant_id, stages.destination_id, stages.pipeline_id, stages.stage_id)
    not in (select tenant_id, destination_id, pipeline_id, stage_id from mapped)
    and (not stages.is_stage_deleted or history.entries > 0)
