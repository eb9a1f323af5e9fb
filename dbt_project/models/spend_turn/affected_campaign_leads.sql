{#-
  Leads that turns over events have computed since the last turn, and those whose deals say something else than is counted.
  Reads the leads by their turn; of tenants with news of deals or other settings their deals.
-#}
-- depends_on: {{ ref('campaign_turn') }}
{{ config(tags=['campaigns'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'lead_id']) }}

{%- set counted = built_so_far('staging', 'campaign_leads') %}

with

tenants_with_news as (
    select distinct tenant_id from {{ source('deals', 'deal_records') }}
    where loaded_at > {{ campaign_news_from() }}
    union distinct
    select distinct tenant_id from {{ source('operational', 'destination_records') }}
    where mirrored_at > {{ campaign_news_from() }}
    union distinct
    select tenant_id from {{ ref('campaign_settings') }}
    where turn = {{ campaign_turn() }}
),

outcomes as (
    select
        tenant_id,
        lead_id,
        {{ outcome_digest() }} as digest
    from {{ ref('lead_journeys') }}
    where tenant_id in (select tenant_id from tenants_with_news)
),

counted as (
    select
        tenant_id,
        lead_id,
        any({{ outcome_digest() }}) as digest
    from
    {%- if counted %} {{ counted }}
        {%- else %} (
        select
            '' as tenant_id,
            '' as lead_id,
            '' as furthest_stage,
            cast(null, 'Nullable(Decimal(38, 2))') as revenue,
            cast(map(), 'Map(String, Decimal(38, 2))') as unconverted_revenue
    )
    {%- endif %}
    where tenant_id in (select tenant_id from tenants_with_news)
    group by tenant_id, lead_id
)

select tenant_id, lead_id from {{ ref('leads') }} as leads
where {{ is_new_to_campaigns('leads.turn') }}
settings final = 0

union distinct

select counted.tenant_id, counted.lead_id
from counted
left join outcomes on counted.tenant_id = outcomes.tenant_id and counted.lead_id = outcomes.lead_id
where counted.digest != outcomes.digest
