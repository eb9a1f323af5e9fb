{#- Reads in a turn of its leads their touches, credit and deals, and what was counted of them before. -#}
-- depends_on: {{ ref('campaign_turn') }}
-- depends_on: {{ ref('affected_campaign_leads') }}
{{ campaign_table(
    ['tenant_id', 'day', 'lead_id', 'model', 'touch_id'],
    partition_by='toYYYYMM(day)',
    indexes=looked_up_by(['lead_id']),
) }}

{%- set is_affected = 'true' %}
{%- if is_incremental() %}
{%- set is_affected %}(tenant_id, lead_id) in (select tenant_id, lead_id from {{ ref('affected_campaign_leads') }}){% endset %}
{%- endif %}

with

credits as (
    select tenant_id, lead_id, touch_id, model, credit from {{ ref('attribution') }}
    where conversion_kind = 'lead' and touch_id != '' and {{ is_affected }}
),

touches as (
    select
        *,
        {{ paid_click() }} as paid_click
    from {{ ref('lead_touches') }}
    where {{ names_a_campaign() }} and {{ is_affected }}
),

journeys as (
    select * from {{ ref('lead_journeys') }}
    where {{ is_affected }}
),

computed as (
    select
        touches.tenant_id as tenant_id,
        toDate(journeys.created_at, 'UTC') as day,
        touches.lead_id as lead_id,
        credits.model as model,
        touches.touch_id as touch_id,
        touches.touch_at as touch_at,
        journeys.created_at as created_at,
        journeys.created_date as created_date,
        touches.source as source,
        touches.medium as medium,
        touches.campaign as campaign,
        touches.utm_campaign as utm_campaign,
        touches.campaign_ids as campaign_ids,
        touches.paid_click as paid_click,
        touches.is_paid as is_paid,
        credits.credit as credit,
        journeys.furthest_stage as furthest_stage,
        journeys.revenue as revenue,
        journeys.unconverted_revenue as unconverted_revenue
    from touches
    inner join credits
        on
            touches.tenant_id = credits.tenant_id
            and touches.lead_id = credits.lead_id
            and touches.touch_id = credits.touch_id
    inner join journeys on touches.tenant_id = journeys.tenant_id and touches.lead_id = journeys.lead_id
)

{{ versions(
    'computed',
    '(select * from ' ~ this ~ ' where ' ~ is_affected ~ ')',
    ['tenant_id', 'day', 'lead_id', 'model', 'touch_id'],
    number=campaign_turn()
) }}
