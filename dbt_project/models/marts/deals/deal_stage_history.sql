{#- A view: reads every entry of the tenant's deals, and the tenant's stages. -#}
{{ config(materialized='view') }}

with

moves as (
    select
        *,
        row_number() over place as place,
        lagInFrame((pipeline_id, stage_id)) over place as before
    from {{ ref('stg_deals__entries') }}
    window place as (
        partition by tenant_id, destination_id, deal_id
        order by entered_at, pipeline_id, stage_id
        rows between unbounded preceding and unbounded following
    )
),

-- A change within the same stage is no entry.
entries as (
    select * from moves
    where place = 1 or before.2 != stage_id or (before.1 != pipeline_id and before.1 != '' and pipeline_id != '')
)

select
    entries.tenant_id as tenant_id,
    entries.destination_id as destination_id,
    entries.deal_id as deal_id,
    entries.entered_at as entered_at,
    nullIf(
        leadInFrame(entries.entered_at, 1, toDateTime64(0, 3, 'UTC')) over deal, toDateTime64(0, 3, 'UTC')
    ) as left_at,
    entries.pipeline_id as pipeline_id,
    entries.stage_id as stage_id,
    stages.pipeline_label as pipeline_label,
    stages.stage_label as stage_label,
    toBool(stages.is_stage_deleted) as is_stage_deleted,
    if(mapped.stage = '', 'unmapped', mapped.stage) as stage,
    toUInt32(row_number() over of_stage) as entry_number
from entries
left join {{ ref('stg_deals__stages') }} as stages
    on
        entries.tenant_id = stages.tenant_id
        and entries.destination_id = stages.destination_id
        and entries.pipeline_id = stages.pipeline_id
        and entries.stage_id = stages.stage_id
left join {{ ref('stg_operational__deal_stages') }} as mapped
    on
        entries.tenant_id = mapped.tenant_id
        and entries.destination_id = mapped.destination_id
        and entries.pipeline_id = mapped.pipeline_id
        and entries.stage_id = mapped.stage_id
window
    deal as (
        partition by entries.tenant_id, entries.destination_id, entries.deal_id
        order by entries.entered_at, entries.pipeline_id, entries.stage_id
        rows between unbounded preceding and unbounded following
    ),
    of_stage as (
        partition by
            entries.tenant_id, entries.destination_id, entries.deal_id, entries.pipeline_id, entries.stage_id
        order by entries.entered_at
        rows between unbounded preceding and current row
    )
