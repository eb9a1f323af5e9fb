{#-
  A view: reads the tenant's leads, deals and conversions. Where a lead has deals they say what became of it; otherwise its
  `conversion` events do, as a sale is often reported both ways.
-#}
{{ config(materialized='view') }}

{%- set has_no_deals = 'of_leads.deals = 0' %}
{%- set is_won = '(of_leads.deals_won > 0 or (of_leads.deals = 0 and sales.has_sold))' %}

with

-- Deals that are deleted or part of another one count nowhere.
deals as (
    select * from {{ ref('deals') }}
    where lead_id != '' and not is_deleted and merged_into = ''
),

of_leads as (
    select
        tenant_id,
        lead_id,
        count() as deals,
        max(deals.furthest_stage in ('qualified', 'won')) as has_qualified,
        countIf(status = 'won') as deals_won,
        countIf(status = 'lost') as deals_lost,
        min(deals.qualified_at) as qualified_at,
        min(deals.won_at) as won_at,
        sumIf(converted_value, status = 'won') as revenue,
        cast(
            sumMapIf(
                map(currency, assumeNotNull(value)), status = 'won' and unconverted_reason = 'no rate'
            ),
            'Map(String, Decimal(38, 2))'
        ) as unconverted_revenue
    from deals
    group by tenant_id, lead_id
),

steps as (
    select
        *,
        {{ stage_of_conversion() }} as stage,
        map(currency, toDecimal128(revenue, 2)) as money
    from {{ ref('conversions') }}
    where kind = 'event'
),

-- What is paid back is subtracted; a sale of which nothing is left is none.
sales as (
    select
        tenant_id,
        lead_id,
        max(stage = 'qualified') as has_qualified,
        minOrNullIf(occurred_at, stage = 'qualified') as first_qualified_at,
        minOrNullIf(occurred_at, stage = 'won') as first_sold_at,
        arrayExists(
            amount -> amount > 0, mapValues(sumMapIf(money, stage = 'won' or steps.revenue < 0))
        ) as has_money,
        first_sold_at is not null and (has_money or countIf(steps.revenue < 0) = 0) as has_sold,
        if(has_sold, first_sold_at, null) as sold_at,
        sumIf(converted_revenue, stage = 'won' or steps.revenue < 0) as converted,
        sumMapIf(money, (stage = 'won' or steps.revenue < 0) and converted_revenue is null) as unconverted
    from steps
    group by tenant_id, lead_id
)

select
    leads.tenant_id as tenant_id,
    leads.lead_id as lead_id,
    leads.created_date as created_date,
    leads.created_at as created_at,
    leads.channel as channel,
    leads.source as source,
    leads.medium as medium,
    leads.campaign as campaign,
    leads.last_non_direct_landing_page as landing_page,
    if(leads.first_touch_at between toDateTime64('1971-01-01', 3, 'UTC') and leads.created_at, leads.first_touch_at, null)
        as first_visit_at,
    of_leads.deals as deals,
    of_leads.deals_won as deals_won,
    -- A person whose other deal was won or goes on is not lost.
    toBool(of_leads.deals > 0 and of_leads.deals_lost = of_leads.deals) as is_lost,
    multiIf(
        {{ is_won }}, 'won',
        if({{ has_no_deals }}, sales.has_qualified, of_leads.has_qualified), 'qualified',
        leads.chats > 0, 'chat',
        'lead'
    ) as furthest_stage,
    if({{ has_no_deals }}, sales.first_qualified_at, of_leads.qualified_at) as qualified_at,
    if({{ has_no_deals }}, sales.sold_at, of_leads.won_at) as won_at,
    if(
        {{ is_won }}, toDecimal128(coalesce(if({{ has_no_deals }}, sales.converted, of_leads.revenue), 0), 2), null
    ) as revenue,
    cast(
        multiIf(not {{ is_won }}, map(), {{ has_no_deals }}, sales.unconverted, of_leads.unconverted_revenue),
        'Map(String, Decimal(38, 2))'
    ) as unconverted_revenue
from {{ ref('leads') }} as leads
left join of_leads on leads.tenant_id = of_leads.tenant_id and leads.lead_id = of_leads.lead_id
left join sales on leads.tenant_id = sales.tenant_id and leads.lead_id = sales.lead_id
