{#-
  How many sessions the visitors of a request's piece have before the turn computes them: what the request changes is told
  from it. Only turns that take a piece run it, before sessions. Reads the sessions of these visitors.
-#}
-- depends_on: {{ ref('affected_visitors') }}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'tracking_id']) }}

{%- set sessions = built_so_far('marts', 'sessions') %}

select
    tenant_id,
    tracking_id,
    count() as sessions
from {{ sessions or ref('requested_visitors') }}
where (tenant_id, tracking_id) in (select tenant_id, tracking_id from {{ ref('requested_visitors') }})
group by tenant_id, tracking_id
