{#- The deals of the turn's leads, by all people of each. Reads marts.lead_deals by its key. -#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'lead_id']) }}

with

people as (
    select distinct
        tenant_id,
        person_id,
        lead_id
    from {{ ref('lead_members') }}
)

select
    people.tenant_id as tenant_id,
    people.lead_id as lead_id,
    deals.lead_id as named_lead_id,
    deals.* except (tenant_id, lead_id, digest, turn, is_deleted)
from {{ ref('lead_deals') }} as deals
inner join people on deals.tenant_id = people.tenant_id and deals.lead_id = people.person_id
where (deals.tenant_id, deals.lead_id) in (select tenant_id, person_id from people)
