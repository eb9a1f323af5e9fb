{#-
  Reads in a turn of the affected days what arrived and what was counted before, and the spend of their tenants. Visits and
  cost do not depend on the attribution model: the rows of each model have the same.
-#}
-- depends_on: {{ ref('campaign_turn') }}
-- depends_on: {{ ref('affected_ad_days') }}
{{ campaign_table(
    ['tenant_id', 'date', 'model', 'platform', 'account_id', 'campaign_id'],
    partition_by='toYYYYMM(date)',
) }}

{%- set models = ['first_touch', 'last_touch', 'last_non_direct', 'linear'] %}
{%- set is_affected %}(tenant_id, date) in (select tenant_id, date from {{ ref('affected_ad_days') }}){% endset %}
{%- set no_money = "cast(null, 'Nullable(Decimal(38, 6))')" %}
{%- set no_map = "cast(map(), 'Map(String, Decimal(38, 6))')" %}
{%- set key = ['tenant_id', 'date', 'model', 'platform', 'account_id', 'campaign_id'] %}

with

measures as (
    select
        tenant_id,
        date,
        arrayJoin({{ models }}) as model,
        platform,
        account_id,
        campaign_id,
        toDecimal128(converted_cost, 6) as own_cost,
        if(converted_cost is null, map(currency, toDecimal128(cost, 6)), {{ no_map }}) as foreign_cost,
        impressions as shown,
        clicks as clicked,
        toUInt64(0) as arrived,
        toFloat64(0) as credited,
        toFloat64(0) as credited_qualified,
        toFloat64(0) as credited_won,
        {{ no_money }} as own_revenue,
        {{ no_map }} as foreign_revenue
    from {{ ref('campaign_costs') }}
    where tenant_id in (select tenant_id from {{ ref('affected_ad_days') }}) and {{ is_affected }}

    union all

    select
        tenant_id,
        date,
        arrayJoin(if(lead_id = '', {{ models }}, [arrivals.model])) as model,
        platform,
        account_id,
        campaign_id,
        {{ no_money }} as own_cost,
        {{ no_map }} as foreign_cost,
        0 as shown,
        0 as clicked,
        toUInt64(lead_id = '') as arrived,
        credit as credited,
        credit * (furthest_stage in ('qualified', 'won')) as credited_qualified,
        credit * (furthest_stage = 'won') as credited_won,
        toDecimal128(toFloat64(revenue) * credit, 6) as own_revenue,
        mapApply((currency, amount) -> (currency, toDecimal128(toFloat64(amount) * credit, 6)), unconverted_revenue)
            as foreign_revenue
    from {{ ref('campaign_arrivals') }} as arrivals
    where reason = ''
),

computed as (
    select
        tenant_id,
        date,
        model,
        platform,
        account_id,
        campaign_id,
        toDecimal128(sumOrNull(own_cost), 2) as cost,
        mapApply((currency, amount) -> (currency, toDecimal128(amount, 2)), sumMap(foreign_cost)) as unconverted_cost,
        toUInt64(sum(shown)) as impressions,
        toUInt64(sum(clicked)) as clicks,
        toUInt64(sum(arrived)) as visits,
        -- In one order, so that a rebuild adds up to the same.
        round(arraySum(arraySort(groupArray(credited))), 6) as leads,
        round(arraySum(arraySort(groupArray(credited_qualified))), 6) as qualified,
        round(arraySum(arraySort(groupArray(credited_won))), 6) as won,
        toDecimal128(sumOrNull(own_revenue), 2) as revenue,
        mapApply((currency, amount) -> (currency, toDecimal128(amount, 2)), sumMap(foreign_revenue)) as unconverted_revenue
    from measures
    group by {{ key | join(', ') }}
)

{{ versions('computed', '(select * from ' ~ this ~ ' where ' ~ is_affected ~ ')', key, number=campaign_turn()) }}
