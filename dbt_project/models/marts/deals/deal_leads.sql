{#- A view: reads the leads that the tenant's deals name, and the people of its leads. Leads that became one are followed. -#}
{{ config(materialized='view') }}

select
    named.tenant_id as tenant_id,
    named.destination_id as destination_id,
    named.deal_id as deal_id,
    if(aliases.lead_id = '', named.named_lead_id, aliases.lead_id) as lead_id,
    named.found_by as found_by
from {{ ref('deal_names') }} as named
left join {{ ref('lead_aliases') }} as aliases
    on named.tenant_id = aliases.tenant_id and named.named_lead_id = aliases.alias
