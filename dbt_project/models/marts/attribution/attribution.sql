{#- Reads in a turn the conversions and touches of its leads. -#}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'lead_id', 'conversion_id', 'model', 'touch_id'],
    settings={'index_granularity': 256},
    indexes=looked_up_by(['lead_id']),
) }}

with

conversions as (
    select * from {{ ref('conversions') }}
    where {{ is_in('affected_leads', 'lead_id') }}
),

touches as (
    select * from {{ ref('lead_touches') }}
    where {{ is_in('affected_leads', 'lead_id') }}
),

leads as (
    select * from {{ ref('leads') }}
    where {{ is_in('affected_leads', 'lead_id') }}
),

-- Touches of the look-back before the conversion.
paths as (
    select
        conversions.tenant_id as tenant_id,
        conversions.lead_id as lead_id,
        conversions.conversion_id as conversion_id,
        conversions.kind as conversion_kind,
        conversions.occurred_at as converted_at,
        conversions.occurred_date as converted_date,
        conversions.revenue as conversion_revenue,
        conversions.converted_revenue as conversion_converted_revenue,
        conversions.currency as currency,
        touches.touch_id as touch_id,
        touches.session_id as session_id,
        touches.touch_at as touch_at,
        touches.source as source,
        touches.medium as medium,
        touches.campaign as campaign,
        touches.channel as channel,
        touches.landing_page as landing_page
    from conversions
    inner join touches on conversions.tenant_id = touches.tenant_id and conversions.lead_id = touches.lead_id
    where {{ is_in_look_back('touches.touch_at', 'conversions.path_ends_at') }}
),

-- A conversion without any is credited whole to what is known of its lead.
pathless as (
    select
        conversions.tenant_id as tenant_id,
        conversions.lead_id as lead_id,
        conversions.conversion_id as conversion_id,
        conversions.kind as conversion_kind,
        conversions.occurred_at as converted_at,
        conversions.occurred_date as converted_date,
        conversions.revenue as conversion_revenue,
        conversions.converted_revenue as conversion_converted_revenue,
        conversions.currency as currency,
        '' as touch_id,
        '' as session_id,
        conversions.occurred_at as touch_at,
        leads.source as source,
        leads.medium as medium,
        leads.campaign as campaign,
        leads.channel as channel,
        leads.first_landing_page as landing_page
    from conversions
    inner join leads on conversions.tenant_id = leads.tenant_id and conversions.lead_id = leads.lead_id
    where (conversions.tenant_id, conversions.conversion_id) not in (select tenant_id, conversion_id from paths)
),

steps as (
    select
        *,
        (touch_at, touch_id) as step_key,
        (channel != 'Direct', touch_at, touch_id) as non_direct_key,
        count() over path as step_count,
        step_key = min(step_key) over path as is_first,
        step_key = max(step_key) over path as is_last,
        non_direct_key = max(non_direct_key) over path as is_last_non_direct
    from (
        select * from paths
        union all
        select * from pathless
    )
    window path as (partition by tenant_id, conversion_id)
),

credits as (
    select
        *,
        arrayJoin([
            ('first_touch', toFloat64(is_first)),
            ('last_touch', toFloat64(is_last)),
            ('last_non_direct', toFloat64(is_last_non_direct)),
            ('linear', 1 / step_count)
        ]) as share
    from steps
),

computed as (
    select
        tenant_id,
        lead_id,
        conversion_id,
        conversion_kind,
        converted_at,
        converted_date,
        touch_id,
        session_id,
        share.1 as model,
        share.2 as credit,
        toDecimal128(toFloat64(conversion_revenue) * credit, 6) as revenue,
        currency,
        toDecimal128(toFloat64(conversion_converted_revenue) * credit, 6) as converted_revenue,
        source,
        medium,
        campaign,
        channel,
        landing_page
    from credits
    where share.2 > 0
)

{{ versions('computed', rows_of_affected_leads(), ['tenant_id', 'lead_id', 'conversion_id', 'model', 'touch_id']) }}
