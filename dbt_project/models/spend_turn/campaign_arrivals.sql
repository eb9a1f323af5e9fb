{#-
  Sessions and leads' touches of the affected days, and the campaign that each is of. An id is looked for first, then an
  alias of the tenant's, then a name that the campaign had on the day of its account; all of them within the platform.
  Reads these days' rows, and the campaigns and aliases of their tenants.
-#}
-- depends_on: {{ ref('campaign_turn') }}
{{ config(tags=['campaigns'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'date']) }}

{%- set is_affected %}(tenant_id, day) in (select tenant_id, date from {{ ref('affected_ad_days') }}){% endset %}
{%- set always = "toDate(0), toDate('2149-06-06')" %}

with

arrivals as (
    select
        tenant_id, started_at as at, started_at as counted_at, started_date as tenant_date, landing_page, source, medium,
        campaign, utm_campaign, campaign_ids, paid_click, is_paid, '' as lead_id, '' as model, toFloat64(0) as credit,
        '' as furthest_stage, cast(null, 'Nullable(Decimal(38, 2))') as revenue,
        cast(map(), 'Map(String, Decimal(38, 2))') as unconverted_revenue
    from {{ ref('campaign_sessions') }}
    where {{ is_affected }}

    union all

    select
        tenant_id, touch_at as at, created_at as counted_at, created_date as tenant_date, '' as landing_page, source, medium,
        campaign, utm_campaign, campaign_ids, paid_click, is_paid, lead_id, model, credit, furthest_stage, revenue,
        unconverted_revenue
    from {{ ref('campaign_leads') }}
    where {{ is_affected }}
),

-- A click id that only ads carry is better evidence of the platform than utm_source, which people write by hand.
sourced as (
    select
        *,
        multiIf(click_source != '', click_source, alias_source != '', alias_source, source_key) as ad_source
    from (select *, lower(source) as source_key from arrivals) as arrivals
    left join (  -- noqa: ST05
        select alias as source_key, source as alias_source from {{ ref('source_aliases') }}
    ) as aliases using (source_key)
    left join (  -- noqa: ST05
        select click_id as paid_click, source as click_source from {{ ref('click_ids') }}
    ) as clicks using (paid_click)
),

placed as (
    select
        *,
        if(known_platform != '', known_platform, ad_source) as platform,
        cityHash64(tenant_id, platform, campaign_ids, campaign) as label_id
    from sourced
    left join (  -- noqa: ST05
        select source as ad_source, platform as known_platform from {{ ref('ad_platforms') }}
    ) as platforms using (ad_source)
),

labels as (
    select distinct
        tenant_id,
        platform,
        campaign_ids,
        label_id,
        {{ folded('placed.campaign') }} as name
    from placed
),

campaigns as (
    select * from {{ ref('ad_campaigns') }}
    where tenant_id in (select tenant_id from labels)
),

by_id as (
    select
        labels.label_id as label_id,
        groupUniqArray((campaigns.account_id, campaigns.campaign_id, campaigns.time_zone, {{ always }})) as found
    from (select *, arrayJoin(campaign_ids) as id from labels) as labels
    inner join campaigns
        on
            labels.tenant_id = campaigns.tenant_id
            and labels.platform = campaigns.platform
            and labels.id = campaigns.campaign_id
    group by label_id
),

by_alias as (
    select
        labels.label_id as label_id,
        groupUniqArray((campaigns.account_id, campaigns.campaign_id, campaigns.time_zone, {{ always }})) as found
    from (select *, arrayJoin(arrayPushBack(campaign_ids, name)) as said from labels) as labels
    inner join {{ ref('stg_operational__campaign_aliases') }} as aliases
        on labels.tenant_id = aliases.tenant_id and labels.platform = aliases.platform and labels.said = aliases.alias
    inner join campaigns
        on
            labels.tenant_id = campaigns.tenant_id
            and labels.platform = campaigns.platform
            and aliases.campaign_id = campaigns.campaign_id
    where aliases.account_id in ('', campaigns.account_id)
    group by label_id
),

by_name as (
    select
        labels.label_id as label_id,
        groupUniqArray((named.account_id, named.campaign_id, named.time_zone, named.since, named.until)) as found
    from labels
    inner join (  -- noqa: ST05
        select
            tenant_id, platform, account_id, campaign_id, time_zone, (arrayJoin(names) as each).1 as name,  -- noqa: LT01
            each.2 as since, each.3 as until
        from campaigns
    ) as named
        on labels.tenant_id = named.tenant_id and labels.platform = named.platform and labels.name = named.name
    where labels.name != ''
    group by label_id
),

-- Digits in utm_campaign may also be a name; another id that no campaign has is no reason to look for one by its name.
labelled as (
    select
        placed.*,
        arrayExists(id -> id != trimBoth(placed.utm_campaign), placed.campaign_ids) as states_an_id,
        multiIf(
            notEmpty(by_id.found), by_id.found,
            notEmpty(by_alias.found), by_alias.found,
            states_an_id, [],
            by_name.found
        ) as known,
        arrayFilter(
            each -> {{ date_in_zone('placed.at', 'each.3') }} >= each.4 and {{ date_in_zone('placed.at', 'each.3') }} < each.5,
            known
        ) as found,
        multiIf(
            length(found) = 1, '',
            length(found) > 1, 'ambiguous',
            notEmpty(known), 'unknown on that day',
            states_an_id, 'unknown id',
            placed.campaign != '', 'unknown name',
            {{ unstated_reason('placed.utm_campaign') }} != '', {{ unstated_reason('placed.utm_campaign') }},
            'no campaign'
        ) as reason,
        if(reason = '', found[1].3, 'UTC') as account_zone  -- noqa: LT01
    from placed
    left join by_id on placed.label_id = by_id.label_id
    left join by_alias on placed.label_id = by_alias.label_id
    left join by_name on placed.label_id = by_name.label_id
)

select
    tenant_id,
    if(reason = '', {{ date_in_zone('counted_at', 'account_zone') }}, tenant_date) as date,
    at,
    landing_page,
    source,
    medium,
    campaign,
    utm_campaign,
    is_paid,
    platform,
    if(reason = '', found[1].1, '') as account_id,  -- noqa: LT01
    if(reason = '', found[1].2, '') as campaign_id,  -- noqa: LT01
    reason,
    arraySort(arrayMap(each -> (each.1, each.2), found)) as candidates,
    lead_id,
    model,
    credit,
    furthest_stage,
    revenue,
    unconverted_revenue
from labelled
where (tenant_id, date) in (select tenant_id, date from {{ ref('affected_ad_days') }})
