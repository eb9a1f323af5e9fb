{#-
  A view: reads the tenant's ad spend, the sessions and leads that came from its campaigns, and the deals of these leads. Visits
  and cost are no model's: they are the same in the rows of each.
-#}
{{ config(materialized='view') }}

{%- set models = ['first_touch', 'last_touch', 'last_non_direct', 'linear'] %}
{%- set no_money = "cast(null, 'Nullable(Decimal(38, 6))')" %}
{%- set no_map = "cast(map(), 'Map(String, Decimal(38, 6))')" %}

with

measures as (
    select
        tenant_id,
        arrayJoin({{ models }}) as model,
        platform,
        account_id,
        campaign_id,
        date,
        toDecimal128(converted_cost, 6) as own_cost,
        if(converted_cost is null, map(currency, toDecimal128(cost, 6)), map()) as foreign_cost,
        impressions as shown,
        clicks as clicked,
        toUInt64(0) as visits,
        toFloat64(0) as leads,
        toFloat64(0) as qualified,
        toFloat64(0) as won,
        {{ no_money }} as own_revenue,
        {{ no_map }} as foreign_revenue
    from {{ ref('campaign_costs') }}

    union all

    select
        tenant_id,
        arrayJoin({{ models }}) as model,
        platform,
        account_id,
        campaign_id,
        ad_date as date,
        {{ no_money }} as own_cost,
        {{ no_map }} as foreign_cost,
        0 as shown,
        0 as clicked,
        count() as visits,
        0 as leads,
        0 as qualified,
        0 as won,
        {{ no_money }} as own_revenue,
        {{ no_map }} as foreign_revenue
    from {{ ref('campaign_visits') }}
    where reason = ''
    group by tenant_id, platform, account_id, campaign_id, ad_date

    union all

    select
        tenant_id,
        model,
        platform,
        account_id,
        campaign_id,
        ad_date as date,
        {{ no_money }} as own_cost,
        {{ no_map }} as foreign_cost,
        0 as shown,
        0 as clicked,
        0 as visits,
        credit as leads,
        credit * is_qualified as qualified,
        credit * is_won as won,
        toDecimal128(toFloat64(revenue) * credit, 6) as own_revenue,
        mapApply((currency, amount) -> (currency, toDecimal128(toFloat64(amount) * credit, 6)), unconverted_revenue)
            as foreign_revenue
    from {{ ref('campaign_credits') }}
    where reason = ''
),

totals as (
    select
        tenant_id,
        model,
        platform,
        account_id,
        campaign_id,
        date,
        toDecimal128(sumOrNull(own_cost), 2) as cost,
        cast(mapApply((currency, amount) -> (currency, toDecimal128(amount, 2)), sumMap(foreign_cost)), 'Map(String, Decimal(38, 2))')
            as unconverted_cost,
        toUInt64(sum(shown)) as impressions,
        toUInt64(sum(clicked)) as clicks,
        toUInt64(sum(measures.visits)) as visits,
        round(sum(measures.leads), 6) as leads,
        round(sum(measures.qualified), 6) as qualified,
        round(sum(measures.won), 6) as won,
        toDecimal128(sumOrNull(own_revenue), 2) as revenue,
        cast(mapApply((currency, amount) -> (currency, toDecimal128(amount, 2)), sumMap(foreign_revenue)), 'Map(String, Decimal(38, 2))')
            as unconverted_revenue
    from measures
    group by tenant_id, model, platform, account_id, campaign_id, date
)

select
    totals.tenant_id as tenant_id,
    totals.model as model,
    totals.date as date,
    totals.platform as platform,
    totals.account_id as account_id,
    campaigns.account_name as account_name,
    totals.campaign_id as campaign_id,
    campaigns.campaign as campaign,
    campaigns.earlier_names as earlier_names,
    campaigns.time_zone as time_zone,
    totals.cost as cost,
    totals.unconverted_cost as unconverted_cost,
    totals.impressions as impressions,
    totals.clicks as clicks,
    totals.visits as visits,
    totals.leads as leads,
    totals.qualified as qualified,
    totals.won as won,
    totals.revenue as revenue,
    totals.unconverted_revenue as unconverted_revenue,
    {{ cost_per('leads') }} as cpl,
    {{ cost_per('won') }} as cac,
    {{ return_on_cost() }} as roas
from totals
inner join {{ ref('ad_campaigns') }} as campaigns
    on
        totals.tenant_id = campaigns.tenant_id
        and totals.platform = campaigns.platform
        and totals.account_id = campaigns.account_id
        and totals.campaign_id = campaigns.campaign_id
