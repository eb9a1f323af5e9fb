{#- A view: reads the tenant's touches, their credit for leads, and what became of these leads. -#}
{{ config(materialized='view') }}

with

-- A touch gets credit for a lead under several models.
credited as (
    select
        tenant_id,
        lead_id,
        touch_id,
        groupArray((model, credit)) as credits
    from {{ ref('attribution') }}
    where conversion_kind = 'lead' and touch_id != ''
    group by tenant_id, lead_id, touch_id
),

arrivals as (
    select
        touches.tenant_id as tenant_id,
        touches.lead_id as lead_id,
        touches.touch_id as touch_id,
        touches.touch_at as at,
        touches.source as source,
        touches.medium as medium,
        touches.campaign as campaign,
        touches.is_paid as is_paid,
        {{ campaign_label() }} as label_id,
        credited.credits as credits
    from {{ ref('lead_touches') }} as touches
    inner join credited
        on
            touches.tenant_id = credited.tenant_id
            and touches.lead_id = credited.lead_id
            and touches.touch_id = credited.touch_id
),

{{ campaign_of_arrival('arrivals') }}

select
    of_campaigns.tenant_id as tenant_id,
    of_campaigns.lead_id as lead_id,
    of_campaigns.touch_id as touch_id,
    (arrayJoin(of_campaigns.credits) as share).1 as model,
    share.2 as credit,
    journeys.created_date as created_date,
    {{ date_in_zone('journeys.created_at', 'of_campaigns.account_zone') }} as ad_date,
    of_campaigns.source as source,
    of_campaigns.medium as medium,
    of_campaigns.campaign as campaign,
    of_campaigns.is_paid as is_paid,
    of_campaigns.platform as platform,
    of_campaigns.account_id as account_id,
    of_campaigns.campaign_id as campaign_id,
    arrayMap(candidate -> (candidate.1, candidate.2), of_campaigns.candidates) as candidates,
    of_campaigns.reason as reason,
    journeys.furthest_stage in ('qualified', 'won') as is_qualified,
    journeys.furthest_stage = 'won' as is_won,
    journeys.revenue as revenue,
    journeys.unconverted_revenue as unconverted_revenue
from of_campaigns
inner join {{ ref('lead_journeys') }} as journeys
    on of_campaigns.tenant_id = journeys.tenant_id and of_campaigns.lead_id = journeys.lead_id
