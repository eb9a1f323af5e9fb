{{ config(tags=['console'], order_by=['tenant_id', 'conversion_id']) }}

with

visitors as (
    select
        tenant_id,
        lead_id,
        value as tracking_id
    from {{ ref('identities') }}
    where kind = 'tracking_id'
),

conversion_events as (
    select * from {{ ref('events') }}
    where event_name = 'conversion'
),

leads as (
    select * from {{ ref('leads') }}
)

-- Becoming a lead is a conversion, once a lead, whatever made it so.
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
    conversion_events.tenant_id as tenant_id,
    conversion_events.event_id as conversion_id,
    visitors.lead_id as lead_id,
    'event' as kind,
    conversion_events.conversion_name as name,
    conversion_events.event_id as event_id,
    conversion_events.occurred_at as occurred_at,
    conversion_events.occurred_date as occurred_date,
    coalesce(conversion_events.revenue, toDecimal64(0, 2)) as revenue,
    conversion_events.currency as currency
from conversion_events
inner join visitors
    on conversion_events.tenant_id = visitors.tenant_id and conversion_events.tracking_id = visitors.tracking_id
