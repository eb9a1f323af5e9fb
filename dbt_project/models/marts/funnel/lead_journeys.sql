{#- A view: reads the tenant's leads and deals. -#}
{{ config(materialized='view') }}

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
        of_leads.deals_won > 0, 'won',
        of_leads.has_qualified, 'qualified',
        leads.chats > 0, 'chat',
        'lead'
    ) as furthest_stage,
    of_leads.qualified_at as qualified_at,
    of_leads.won_at as won_at,
    if(of_leads.deals_won = 0, null, toDecimal128(coalesce(of_leads.revenue, 0), 2)) as revenue,
    of_leads.unconverted_revenue as unconverted_revenue
from {{ ref('leads') }} as leads
left join of_leads on leads.tenant_id = of_leads.tenant_id and leads.lead_id = of_leads.lead_id
