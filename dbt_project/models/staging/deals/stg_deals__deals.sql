{#- A view: reads every state of the tenant's deals, a few for each deal. -#}
with

states as (
    select
        tenant_id,
        destination_id,
        record_id as deal_id,
        source.product as product,
        version,
        source.loaded_at as loaded_at,
        source.payload as payload,
        JSONExtractString(source.payload, 'stage_id') as stage_id,
        JSONExtractString(source.payload, 'status') as status,
        JSONExtractString(source.payload, 'closed_at') as closed_at
    from {{ source('deals', 'deal_records') }} as source
    where kind in ('deal', 'archived')
),

newest as (
    select
        tenant_id,
        destination_id,
        deal_id,
        any(states.product) as product,
        argMax(states.payload, (version, loaded_at, states.payload)) as payload,
        max(version) as updated_at,
        argMax((stage_id, status, closed_at), (version, loaded_at, states.payload)) as outcome,
        -- Money is converted at the rate that was known when the outcome was first seen.
        arrayMin(
            state -> state.1, arrayFilter(state -> state.2 = outcome, groupArray((loaded_at, (stage_id, status, closed_at))))
        ) as outcome_seen_at
    from states
    group by tenant_id, destination_id, deal_id
)

select
    tenant_id,
    destination_id,
    deal_id,
    product,
    JSONExtractString(payload, 'pipeline_id') as pipeline_id,
    JSONExtractString(payload, 'stage_id') as stage_id,
    {{ bounded_amount("JSONExtractString(payload, 'value')") }} as value,
    upper(JSONExtractString(payload, 'currency')) as currency,
    JSONExtractString(payload, 'status') as said_status,
    {{ bounded_time("JSONExtractString(payload, 'created_at')") }} as created_at,
    {{ bounded_time("JSONExtractString(payload, 'closed_at')") }} as said_closed_at,
    {{ bounded_text("JSONExtractString(payload, 'lost_reason')", 200) }} as lost_reason,
    JSONExtractString(payload, 'lead_key') as lead_key,
    JSONExtract(payload, 'contact_ids', 'Array(String)') as contact_ids,
    JSONExtract(payload, 'merged_ids', 'Array(String)') as merged_ids,
    toBool(JSONExtractBool(payload, 'is_deleted')) as is_deleted,
    toDateTime64(newest.updated_at, 3, 'UTC') as updated_at,
    toDateTime64(newest.outcome_seen_at, 3, 'UTC') as outcome_seen_at
from newest
