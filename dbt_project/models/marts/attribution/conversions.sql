{#- Reads in a turn its leads, and the conversion events of their visitors. -#}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'lead_id', 'conversion_id'],
    settings={'index_granularity': 1024},
) }}

with

conversion_events as (
    select
        events.*,
        members.lead_id as lead_id
    from {{ ref('lead_events') }} as events
    inner join {{ ref('lead_members') }} as members using (tenant_id, tracking_id)
    where
        events.event_name = 'conversion'
        and {{ is_in('lead_visitors', 'tracking_id') }}
),

leads as (
    select * from {{ ref('leads') }}
    where {{ is_in('affected_leads', 'lead_id') }}
),

-- Becoming a lead is a conversion, once a lead, whatever made it so.
computed as (
    select
        tenant_id,
        concat('lead:', lead_id) as conversion_id,
        lead_id,
        'lead' as kind,
        'lead' as name,
        identifying_event_id as event_id,
        created_at as occurred_at,
        created_date as occurred_date,
        toDecimal64(0, 2) as revenue,
        '' as currency
    from leads

    union all

    select
        tenant_id,
        event_id as conversion_id,
        lead_id,
        'event' as kind,
        conversion_name as name,
        event_id,
        occurred_at,
        occurred_date,
        coalesce(conversion_events.revenue, toDecimal64(0, 2)) as revenue,
        currency
    from conversion_events
)

{{ versions('computed', rows_of_affected_leads(), ['tenant_id', 'lead_id', 'conversion_id']) }}
