{#-
  Deals by the lead that they name, for the turns over leads: what differs from before has the number of the turn of deals
  that found it. A lead that became part of another keeps its rows; readers look for all people of a lead.

  Reads in a turn all deals of the tenants of which something is new.
-#}
-- depends_on: {{ ref('deal_news') }}
{{ config(
    tags=['deals'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'lead_id', 'destination_id', 'deal_id'],
    settings={'index_granularity': 256},
    indexes=[{'name': 'of_turn', 'definition': 'turn type minmax granularity 1'}],
) }}

{%- set told = [
    'pipeline', 'stage', 'stage_name', 'status', 'value', 'currency', 'converted_value', 'lost_reason', 'created_at', 'qualified_at',
    'won_at', 'closed_at', 'qualified_as', 'won_as',
] %}

with

-- A deal that others became part of was qualified and won as the first of them was: it is so once.
merged as (
    select
        tenant_id,
        destination_id,
        merged_into,
        argMinIf(deal_id, (qualified_at, deal_id), qualified_at is not null) as qualified_as,
        argMinIf(deal_id, (won_at, deal_id), won_at is not null) as won_as
    from {{ ref('deal_outcomes') }}
    where merged_into != '' and tenant_id in (select tenant_id from {{ ref('deal_news') }})
    group by tenant_id, destination_id, merged_into
),

computed as (
    select
        outcomes.tenant_id as tenant_id,
        names.named_lead_id as lead_id,
        outcomes.destination_id as destination_id,
        outcomes.deal_id as deal_id,
        if(outcomes.pipeline_label = '', outcomes.pipeline_id, outcomes.pipeline_label) as pipeline,
        outcomes.stage as stage,
        if(outcomes.stage_label = '', outcomes.stage_id, outcomes.stage_label) as stage_name,
        outcomes.status as status,
        outcomes.value as value,
        outcomes.currency as currency,
        outcomes.converted_value as converted_value,
        outcomes.lost_reason as lost_reason,
        outcomes.created_at as created_at,
        outcomes.qualified_at as qualified_at,
        outcomes.won_at as won_at,
        outcomes.closed_at as closed_at,
        if(merged.qualified_as = '', outcomes.deal_id, merged.qualified_as) as qualified_as,
        if(merged.won_as = '', outcomes.deal_id, merged.won_as) as won_as,
        cityHash64(toString(({{ told | join(', ') }}))) as digest
    from {{ ref('deal_outcomes') }} as outcomes
    inner join {{ ref('deal_names') }} as names
        on
            outcomes.tenant_id = names.tenant_id
            and outcomes.destination_id = names.destination_id
            and outcomes.deal_id = names.deal_id
    left join merged
        on
            outcomes.tenant_id = merged.tenant_id
            and outcomes.destination_id = merged.destination_id
            and outcomes.deal_id = merged.merged_into
    where
        outcomes.tenant_id in (select tenant_id from {{ ref('deal_news') }})
        and not outcomes.is_deleted
        and outcomes.merged_into = ''
)
{%- if is_incremental() %},

known as (
    select * from {{ this }}
    where tenant_id in (select tenant_id from {{ ref('deal_news') }})
)
{%- endif %}

{{ versions(
    'computed', 'known', ['tenant_id', 'lead_id', 'destination_id', 'deal_id'], compared_by='digest',
    number="assumeNotNull((select max(turn) from " ~ ref('deal_news') ~ "))"
) }}
