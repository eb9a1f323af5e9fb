{#-
  The visitors of whom the turn has new events, or has none any more, and the earliest of these. Also who reports an order
  that these visitors report, as one of them alone counts. Reads the conversions of these visitors by their key, and others by
  the index over `order_id`.
-#}
-- depends_on: {{ ref('current_turn') }}
-- depends_on: {{ ref('worthless_identifiers') }}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'tracking_id']) }}

with

fresh as (
    select
        tenant_id,
        tracking_id,
        min(arrayMin(arrayPushBack(other_places, occurred_at))) as earliest
    from {{ ref('fresh_events') }}
    group by tenant_id, tracking_id
    union all
    select
        tenant_id,
        tracking_id,
        min(occurred_at) as earliest
    from {{ ref('withdrawn_events') }}
    group by tenant_id, tracking_id
),

orders as (
    select
        tenant_id,
        order_id
    from {{ ref('lead_events') }}
    where
        (tenant_id, tracking_id) in (select tenant_id, tracking_id from fresh)
        and order_id != ''
    union all
    select
        tenant_id,
        order_id
    from {{ ref('withdrawn_events') }}
    where order_id != ''
)

select
    tenant_id,
    tracking_id,
    min(earliest) as since
from (
    select * from fresh
    union all
    select
        tenant_id,
        tracking_id,
        occurred_at as earliest
    from {{ ref('lead_events') }}
    where
        (tenant_id, order_id) in (select tenant_id, order_id from orders)
        and {{ order_of_event() }} != ''
)
group by tenant_id, tracking_id
