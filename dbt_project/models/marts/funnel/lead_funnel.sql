{#-
  A view: reads the tenant's leads, deals and sessions, and of its events who they are of and what they are called. A person
  is counted once: a lead on the day it became one, under its source; a visitor who is no lead on the day of the first
  session, under its source. Who reached a stage has reached all before it, so that no row rises.
-#}
{{ config(materialized='view') }}

with

journeys as (
    select
        *,
        indexOf(['lead', 'chat', 'qualified', 'won'], furthest_stage) as place
    from {{ ref('lead_journeys') }}
),

leads_visitors as (
    select tenant_id, value as tracking_id from {{ ref('identities') }}
    where kind = 'tracking_id'
),

starters as (
    select distinct tenant_id, tracking_id from {{ ref('events') }}
    where event_name in ('form_start', 'form_submit', 'chat_open', 'chat_start')
),

visitors as (
    select
        tenant_id,
        tracking_id,
        argMin(sessions.started_date, started_at) as date,
        argMin(sessions.channel, started_at) as channel,
        argMin(sessions.source, started_at) as source,
        argMin(sessions.campaign, started_at) as campaign,
        max(not is_bounce) as is_engaged
    from {{ ref('sessions') }} as sessions
    where not is_bot and (tenant_id, tracking_id) not in (select tenant_id, tracking_id from leads_visitors)
    group by tenant_id, tracking_id
),

people as (
    select
        tenant_id,
        date,
        channel,
        source,
        campaign,
        -- visit, engaged, started
        toUInt8(
            multiIf((tenant_id, tracking_id) in (select tenant_id, tracking_id from starters), 3, is_engaged, 2, 1)
        ) as place,
        false as is_lost,
        cast(null, 'Nullable(Int64)') as visit_to_lead_seconds,
        cast(null, 'Nullable(Int64)') as lead_to_qualified_seconds,
        cast(null, 'Nullable(Int64)') as qualified_to_won_seconds,
        cast(null, 'Nullable(Decimal(38, 2))') as own_revenue,
        cast(map(), 'Map(String, Decimal(38, 2))') as foreign_revenue
    from visitors

    union all

    select
        tenant_id,
        created_date as date,
        channel,
        source,
        campaign,
        toUInt8(place + 3) as place,
        is_lost,
        dateDiff('second', first_visit_at, created_at) as visit_to_lead_seconds,
        if(qualified_at >= created_at, dateDiff('second', created_at, qualified_at), null) as lead_to_qualified_seconds,
        if(won_at >= qualified_at, dateDiff('second', qualified_at, won_at), null) as qualified_to_won_seconds,
        revenue as own_revenue,
        unconverted_revenue as foreign_revenue
    from journeys
)

select
    tenant_id,
    date,
    channel,
    source,
    campaign,
    count() as visits,
    countIf(place >= 2) as engaged,
    countIf(place >= 3) as started,
    countIf(place >= 4) as leads,
    countIf(place >= 5) as chats,
    countIf(place >= 6) as qualified,
    countIf(place >= 7) as won,
    countIf(people.is_lost) as lost,
    if(won = 0, null, toDecimal128(coalesce(sum(own_revenue), 0), 2)) as revenue,
    cast(sumMap(foreign_revenue), 'Map(String, Decimal(38, 2))') as unconverted_revenue,
    quantileExactOrNull(0.50) (visit_to_lead_seconds) as visit_to_lead_p50_seconds,
    quantileExactOrNull(0.90) (visit_to_lead_seconds) as visit_to_lead_p90_seconds,
    quantileExactOrNull(0.50) (lead_to_qualified_seconds) as lead_to_qualified_p50_seconds,
    quantileExactOrNull(0.90) (lead_to_qualified_seconds) as lead_to_qualified_p90_seconds,
    quantileExactOrNull(0.50) (qualified_to_won_seconds) as qualified_to_won_p50_seconds,
    quantileExactOrNull(0.90) (qualified_to_won_seconds) as qualified_to_won_p90_seconds
from people
group by tenant_id, date, channel, source, campaign
