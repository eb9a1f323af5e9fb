{#- A view: reads the sessions and the attribution of the tenant. -#}
{{ config(materialized='view') }}

with

sessions as (
    select * from {{ ref('sessions') }}
),

visitors as (
    select
        tenant_id,
        lead_id,
        value as tracking_id
    from {{ ref('identities') }}
    where kind = 'tracking_id'
),

-- Bots do not count, unless one became a lead: a funnel that shows the lead shows its visit.
counted_sessions as (
    select * from sessions
    where not is_bot or (tenant_id, tracking_id) in (select tenant_id, tracking_id from visitors)
),

-- A conversion counts on the day it happened under its last touch that was not direct, so a lead under its source.
conversions as (
    select * from {{ ref('attribution') }}
    where model = 'last_non_direct'
),

measures as (
    select
        tenant_id,
        started_date as date,
        channel,
        campaign,
        landing_page,
        tracking_id,
        toUInt64(1) as sessions,
        toUInt64(chats > 0) as chats,
        toUInt64(0) as leads,
        toUInt64(0) as reported_conversions,
        toDecimal128(0, 6) as reported_revenue,
        cast(map(), 'Map(String, Decimal(38, 6))') as unconverted_revenue
    from counted_sessions

    union all

    select
        tenant_id,
        converted_date as date,
        channel,
        campaign,
        landing_page,
        '' as tracking_id,
        toUInt64(0) as sessions,
        toUInt64(0) as chats,
        toUInt64(conversion_kind = 'lead') as leads,
        toUInt64(conversion_kind = 'event') as reported_conversions,
        coalesce(converted_revenue, toDecimal128(0, 6)) as reported_revenue,
        if(converted_revenue is null, map(currency, revenue), map()) as unconverted_revenue
    from conversions
)

select
    tenant_id,
    date,
    channel,
    campaign,
    landing_page,
    uniqExactIf(tracking_id, tracking_id != '') as visitors,
    sum(measures.sessions) as sessions,
    sum(measures.chats) as chats,
    sum(measures.leads) as leads,
    sum(reported_conversions) as conversions,
    if(conversions = 0, null, toDecimal128(sum(reported_revenue), 2)) as revenue,
    mapApply((currency, amount) -> (currency, toDecimal128(amount, 2)), sumMap(measures.unconverted_revenue)) as unconverted_revenue
from measures
group by tenant_id, date, channel, campaign, landing_page
