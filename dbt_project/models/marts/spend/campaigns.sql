{#- A view: reads the tenant's rows of the days, and its campaigns. -#}
{{ config(materialized='view') }}

select
    days.tenant_id as tenant_id,
    days.model as model,
    days.date as date,
    days.platform as platform,
    days.account_id as account_id,
    campaigns.account_name as account_name,
    days.campaign_id as campaign_id,
    campaigns.campaign as campaign,
    campaigns.earlier_names as earlier_names,
    campaigns.time_zone as time_zone,
    days.cost as cost,
    days.unconverted_cost as unconverted_cost,
    days.impressions as impressions,
    days.clicks as clicks,
    days.visits as visits,
    days.leads as leads,
    days.qualified as qualified,
    days.won as won,
    days.revenue as revenue,
    days.unconverted_revenue as unconverted_revenue,
    {{ cost_per('days.leads') }} as cpl,
    {{ cost_per('days.won') }} as cac,
    {{ return_on_cost() }} as roas
from {{ ref('campaign_days') }} as days
inner join {{ ref('ad_campaigns') }} as campaigns
    on
        days.tenant_id = campaigns.tenant_id
        and days.platform = campaigns.platform
        and days.account_id = campaigns.account_id
        and days.campaign_id = campaigns.campaign_id
