{#- A view: reads the outcomes of the tenant's deals, and whose they are. -#}
{{ config(materialized='view') }}

select
    outcomes.tenant_id as tenant_id,
    outcomes.destination_id as destination_id,
    outcomes.product as product,
    outcomes.deal_id as deal_id,
    deal_leads.lead_id as lead_id,
    outcomes.pipeline_id as pipeline_id,
    outcomes.pipeline_label as pipeline_label,
    outcomes.stage_id as stage_id,
    outcomes.stage_label as stage_label,
    outcomes.stage as stage,
    outcomes.furthest_stage as furthest_stage,
    outcomes.new_at as new_at,
    outcomes.working_at as working_at,
    outcomes.qualified_at as qualified_at,
    outcomes.won_at as won_at,
    outcomes.status as status,
    outcomes.value as value,
    outcomes.currency as currency,
    outcomes.converted_value as converted_value,
    outcomes.unconverted_reason as unconverted_reason,
    outcomes.created_at as created_at,
    outcomes.closed_at as closed_at,
    outcomes.closed_date as closed_date,
    outcomes.lost_reason as lost_reason,
    outcomes.is_deleted as is_deleted,
    outcomes.merged_into as merged_into,
    outcomes.updated_at as updated_at
from {{ ref('deal_outcomes') }} as outcomes
left join {{ ref('deal_leads') }} as deal_leads
    on
        outcomes.tenant_id = deal_leads.tenant_id
        and outcomes.destination_id = deal_leads.destination_id
        and outcomes.deal_id = deal_leads.deal_id
