{#-
  The `conversion` events of the turn's leads that count. Of those that pay one order the first counts, whichever of the
  tenant's leads reports it and in whatever order they are received. Reads the events of these leads' visitors, and by the
  index over `order_id` those of the same orders.
-#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'lead_id', 'event_id']) }}

with

reported as (
    select
        events.tenant_id as tenant_id,
        members.lead_id as lead_id,
        events.tracking_id as tracking_id,
        events.event_id as event_id,
        events.conversion_name as name,
        events.occurred_at as occurred_at,
        events.occurred_date as occurred_date,
        coalesce(events.revenue, toDecimal64(0, 2)) as revenue,
        events.currency as currency,
        events.is_bot as is_bot,
        {{ order_of_event() }} as order_paid
    from {{ ref('lead_events') }} as events
    inner join {{ ref('lead_members') }} as members
        on events.tenant_id = members.tenant_id and events.tracking_id = members.tracking_id
    where
        events.event_name = 'conversion'
        and {{ is_in_stay('events.occurred_at', 'events.event_id') }}
        and {{ is_among('lead_visitors', 'tracking_id', 'events') }}
),

orders as (
    select
        tenant_id,
        order_paid
    from reported
    where order_paid != ''
),

-- Of leads alone: what an unknown visitor reports counts for nobody.
of_same_orders as (
    select
        tenant_id,
        tracking_id,
        event_id,
        occurred_at,
        {{ order_of_event() }} as order_paid
    from {{ ref('lead_events') }}
    where
        tenant_id in (select tenant_id from orders)
        and order_id in (select order_paid from orders)
),

firsts as (
    select
        tenant_id,
        order_paid,
        min((occurred_at, event_id, tracking_id)) as first_report
    from of_same_orders
    where
        order_paid != ''
        and (tenant_id, tracking_id) in (
            select
                tenant_id,
                value
            from {{ ref('identities') }}
            where (tenant_id, kind, value) in (
                select
                    tenant_id,
                    'tracking_id' as kind,
                    tracking_id
                from of_same_orders
            )
        )
    group by tenant_id, order_paid
)

select reported.*
from reported
left join firsts on reported.tenant_id = firsts.tenant_id and reported.order_paid = firsts.order_paid
where
    reported.order_paid = ''
    or (reported.occurred_at, reported.event_id, reported.tracking_id) = firsts.first_report
