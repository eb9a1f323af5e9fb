{#-
  A view: reads what sessions and touches of the tenant say of campaigns, its ad campaigns and its aliases. An id is looked
  for first, then an alias of the tenant's, then a name; all of them within the platform.
-#}
{{ config(materialized='view') }}

with

labels as (
    {% for relation in ['sessions', 'lead_touches'] -%}
    select
        tenant_id,
        {{ campaign_label() }} as label_id,
        lower(source) as source_key,
        {{ paid_click() }} as paid_click,
        campaign_ids,
        campaign,
        utm_campaign
    from {{ ref(relation) }}
    where campaign != '' or utm_campaign != '' or notEmpty(campaign_ids) or is_paid
    group by all
    {{ 'union distinct' if not loop.last }}
    {% endfor %}
),

-- A click id that only ads carry says more of the platform than what somebody wrote into utm_source.
sourced as (
    select
        labels.*,
        if(clicks.source != '', clicks.source, if(aliases.source != '', aliases.source, source_key)) as ad_source,
        {{ folded('labels.campaign') }} as name
    from labels
    left join {{ ref('source_aliases') }} as aliases on labels.source_key = aliases.alias
    left join {{ ref('click_ids') }} as clicks on labels.paid_click = clicks.click_id
),

placed as (
    select
        sourced.*,
        if(platforms.platform != '', platforms.platform, ad_source) as platform
    from sourced
    left join {{ ref('ad_platforms') }} as platforms on sourced.ad_source = platforms.source
),

campaigns as (
    select * from {{ ref('ad_campaigns') }}
),

ids as (
    select
        placed.tenant_id as tenant_id,
        placed.label_id as label_id,
        groupUniqArray((
            campaigns.account_id, campaigns.campaign_id, campaigns.time_zone, toDate(0), toDate('2149-06-06')
        )) as found
    from (select tenant_id, label_id, platform, arrayJoin(campaign_ids) as id from placed) as placed
    inner join campaigns
        on
            placed.tenant_id = campaigns.tenant_id
            and placed.platform = campaigns.platform
            and placed.id = campaigns.campaign_id
    group by tenant_id, label_id
),

aliases as (
    select
        placed.tenant_id as tenant_id,
        placed.label_id as label_id,
        groupUniqArray((
            campaigns.account_id, campaigns.campaign_id, campaigns.time_zone, toDate(0), toDate('2149-06-06')
        )) as found
    from (
        select tenant_id, label_id, platform, arrayJoin(arrayPushBack(campaign_ids, name)) as said from placed
    ) as placed
    inner join {{ ref('stg_operational__campaign_aliases') }} as said_aliases
        on
            placed.tenant_id = said_aliases.tenant_id
            and placed.platform = said_aliases.platform
            and placed.said = said_aliases.alias
    inner join campaigns
        on
            placed.tenant_id = campaigns.tenant_id
            and placed.platform = campaigns.platform
            and said_aliases.campaign_id = campaigns.campaign_id
    where said_aliases.account_id in ('', campaigns.account_id)
    group by tenant_id, label_id
),

names as (
    select
        tenant_id,
        platform,
        (arrayJoin(campaigns.names) as named).1 as name,
        groupUniqArray((account_id, campaign_id, time_zone, named.2, named.3)) as found
    from campaigns
    group by tenant_id, platform, name
)

select
    placed.tenant_id as tenant_id,
    placed.label_id as label_id,
    placed.platform as platform,
    placed.campaign_ids as campaign_ids,
    placed.campaign as campaign,
    -- Digits in utm_campaign may also be a name.
    arrayExists(id -> id != trimBoth(placed.utm_campaign), placed.campaign_ids) as states_an_id,
    multiIf(
        notEmpty(ids.found), ids.found,
        notEmpty(aliases.found), aliases.found,
        states_an_id, [],
        names.found
    ) as candidates,
    multiIf(
        notEmpty(candidates), '',
        states_an_id, 'unknown id',
        placed.campaign != '', '',
        {{ unstated_reason('placed.utm_campaign') }} != '', {{ unstated_reason('placed.utm_campaign') }},
        'no campaign'
    ) as reason
from placed
left join ids on placed.tenant_id = ids.tenant_id and placed.label_id = ids.label_id
left join aliases on placed.tenant_id = aliases.tenant_id and placed.label_id = aliases.label_id
left join names
    on placed.tenant_id = names.tenant_id and placed.platform = names.platform and placed.name = names.name
