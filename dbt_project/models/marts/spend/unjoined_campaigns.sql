{#-
  A view: reads the arrivals of the tenant that campaigns could not be found for. Listed are those from ads, and those that
  name a campaign of a platform whose spend is known.
-#}
{{ config(materialized='view') }}

with

platforms as (
    select distinct tenant_id, platform from {{ ref('ad_campaigns') }}
),

unjoined as (
    select
        tenant_id,
        started_date as date,
        platform,
        source,
        medium,
        campaign,
        candidates,
        reason,
        is_paid,
        toUInt64(1) as visits,
        toUInt64(0) as leads
    from {{ ref('campaign_visits') }}
    where reason != ''

    union all

    -- A lead is counted once, under its source.
    select
        tenant_id,
        created_date as date,
        platform,
        source,
        medium,
        campaign,
        candidates,
        reason,
        is_paid,
        toUInt64(0) as visits,
        toUInt64(1) as leads
    from {{ ref('campaign_credits') }}
    where reason != '' and model = 'last_non_direct'
)

select
    tenant_id,
    date,
    platform,
    source,
    medium,
    campaign,
    multiIf(
        (tenant_id, platform) in (select tenant_id, platform from platforms), unjoined.reason,
        unjoined.reason in ('macro not replaced', 'no value'), unjoined.reason,
        'no spend of the platform'
    ) as reason,
    arraySort(groupUniqArrayArray(unjoined.candidates)) as candidates,
    sum(unjoined.visits) as visits,
    sum(unjoined.leads) as leads
from unjoined
where
    tenant_id in (select tenant_id from platforms)
    and (is_paid or (campaign != '' and (tenant_id, platform) in (select tenant_id, platform from platforms)))
group by tenant_id, date, platform, source, medium, campaign, reason
