{#-
  The days of tenants that the turn computes again, on whatever calendar: each is affected with the days beside it. All of
  them when everything is built. Reads what the turn has added to the tables before, and what was loaded of spend; when a
  campaign is new or renamed also which days its names came on, and when a tenant has other settings all of its days.
-#}
-- depends_on: {{ ref('campaign_turn') }}
-- depends_on: {{ ref('campaign_settings') }}
-- depends_on: {{ ref('ad_campaigns') }}
-- depends_on: {{ ref('stg_operational__campaign_aliases') }}
{{ config(tags=['campaigns'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'date']) }}

{%- set takes_all = built_so_far('staging', 'campaign_turns') is none %}
{%- set facts = ['campaign_sessions', 'campaign_leads'] %}

with

{% if not takes_all -%}

changed_tenants as (  -- noqa: ST03
    select tenant_id from {{ ref('campaign_settings') }}
    where turn = {{ campaign_turn() }}
),

-- What arrivals may call the campaigns that are new, renamed or gone, before and now.
changed_names as (
    select
        tenant_id,
        arrayJoin(arrayPushBack(arrayMap(name -> name.1, names), campaign_id)) as name
    from {{ ref('ad_campaigns') }}
    where (tenant_id, platform, account_id, campaign_id) in (
        select tenant_id, platform, account_id, campaign_id from {{ ref('ad_campaigns') }}
        where turn = {{ campaign_turn() }}
        settings final = 0
    )
    settings final = 0
),

changed_aliases as (  -- noqa: ST03
    select tenant_id, alias from {{ ref('stg_operational__campaign_aliases') }}
    where (tenant_id, campaign_id) in (select tenant_id, name from changed_names)
),

{%- endif %}

days as (
    {% for fact in facts -%}
    select tenant_id, day from {{ ref(fact) }}
    {%- if not takes_all %}
    where turn = {{ campaign_turn() }}
    settings final = 0

    union distinct

    select tenant_id, day from {{ ref(fact) }} as facts
    where
        tenant_id in (select tenant_id from changed_tenants union distinct select tenant_id from changed_names)
        and (
            tenant_id in (select tenant_id from changed_tenants)
            or (tenant_id, {{ folded('facts.campaign') }}) in (select tenant_id, name from changed_names)
            or (tenant_id, {{ folded('facts.campaign') }}) in (select tenant_id, alias from changed_aliases)
            or hasAny(
                arrayMap(id -> concat(tenant_id, ' ', id), facts.campaign_ids),
                (select groupUniqArray(concat(tenant_id, ' ', name)) from changed_names)
            )
        )
    {%- endif %}

    union distinct

    {% endfor -%}
    select tenant_id, toDateOrZero(spend_date) as day from {{ source('spend', 'ad_spend') }}
    {%- if not takes_all %}
    where loaded_at > {{ campaign_news_from() }} or tenant_id in (select tenant_id from changed_tenants)
    {%- endif %}
)

select distinct
    tenant_id,
    arrayJoin([day - 1, day, day + 1]) as date
from days
