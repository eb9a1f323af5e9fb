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

-- A conversion counts where its last touch was, on the day it happened.
conversions as (
    select * from {{ ref('attribution') }}
    where model = 'last_touch'
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
        toDecimal128(0, 6) as reported_revenue
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
        if(conversion_kind = 'event', revenue, toDecimal128(0, 6)) as reported_revenue
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
    if(conversions = 0, null, toDecimal128(sum(reported_revenue), 2)) as revenue
from measures
group by tenant_id, date, channel, campaign, landing_page
