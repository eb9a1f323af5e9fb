{#-
  A view: reads every state of the tenant's deals. Where a CRM has a history of stages that counts; where it has none, each
  state is taken for an entry at the time of its change, and what was no entry falls away in marts.deal_stage_history.
-#}
with

states as (
    select
        tenant_id,
        destination_id,
        record_id as deal_id,
        version,
        source.payload as payload,
        JSONExtract(
            source.payload, 'entries', 'Array(Tuple(pipeline_id String, stage_id String, entered_at String))'
        ) as entries
    from {{ source('deals', 'deal_records') }} as source
    where kind in ('deal', 'archived')
),

told as (
    select
        tenant_id,
        destination_id,
        deal_id,
        arrayJoin(entries) as entry,
        entry.pipeline_id as pipeline_id,
        entry.stage_id as stage_id,
        {{ bounded_time('entry.entered_at') }} as entered_at
    from states
),

observed as (
    select
        tenant_id,
        destination_id,
        deal_id,
        JSONExtractString(payload, 'pipeline_id') as pipeline_id,
        JSONExtractString(payload, 'stage_id') as stage_id,
        toDateTime64(version, 3, 'UTC') as entered_at
    from states
    where empty(entries) and not JSONExtractBool(payload, 'is_deleted')
)

-- A later state can know the pipeline of an entry better: the stage may have been there no more, or not yet.
select
    tenant_id,
    destination_id,
    deal_id,
    max(all_entries.pipeline_id) as pipeline_id,
    stage_id,
    assumeNotNull(entered_at) as entered_at
from (
    select tenant_id, destination_id, deal_id, pipeline_id, stage_id, entered_at from told
    union all
    select tenant_id, destination_id, deal_id, pipeline_id, stage_id, entered_at from observed
) as all_entries
where entered_at is not null and stage_id != ''
group by tenant_id, destination_id, deal_id, stage_id, entered_at
