{#-
  A view: reads the tenant's arrivals that are in no campaign. Listed are those from ads, and those that name a campaign of a
  platform whose spend is known.
-#}
{{ config(materialized='view') }}

with

platforms as (
    select distinct tenant_id, platform from {{ ref('ad_campaigns') }}
)

select
    arrivals.tenant_id as tenant_id,
    arrivals.date as date,
    arrivals.platform as platform,
    arrivals.source as source,
    arrivals.medium as medium,
    arrivals.campaign as campaign,
    multiIf(
        platforms.platform != '', arrivals.reason,
        arrivals.reason in ('macro not replaced', 'no value'), arrivals.reason,
        'no spend of the platform'
    ) as reason,
    arraySort(groupUniqArrayArray(arrivals.candidates)) as candidates,
    sum(arrivals.visits) as visits,
    sum(arrivals.leads) as leads
from {{ ref('unjoined_arrivals') }} as arrivals
left join platforms on arrivals.tenant_id = platforms.tenant_id and arrivals.platform = platforms.platform
where
    arrivals.tenant_id in (select tenant_id from platforms)
    and (arrivals.is_paid or (arrivals.campaign != '' and platforms.platform != ''))
group by tenant_id, date, platform, source, medium, campaign, reason
