{#-
  The piece of a request that the turn takes, unless it is of leads alone: the visitors of its next rows in raw, behind the last visitor of the piece
  before, with how many of these rows are theirs. A piece with fewer rows than one holds is the last. Reads of raw the
  rows of the piece, by tenant and visitor, and the leads that are concerned.
-#}
-- depends_on: {{ ref('current_turn') }}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'tracking_id']) }}

{%- set leads = built_so_far('marts', 'leads') %}
{%- set asked = '(select max(request_{}) from ' ~ ref('current_turn') ~ ' where takes_request and not request_is_of_leads_alone)' %}
{%- set lead_ids = asked.format('lead_ids') %}

with

concerned as (
    {% if leads -%}
    select arrayJoin(tracking_ids) as tracking_id
    from {{ leads }}
    where
        tenant_id = {{ asked.format('tenant_id') }}
        and has({{ lead_ids }}, lead_id)
    {%- else -%}
    select '' as tracking_id
    {%- endif %}
),

piece as (
    select
        events.tenant_id as tenant_id,
        events.tracking_id as tracking_id
    from {{ source('collector', 'events') }} as events
    where
        events.tenant_id = {{ asked.format('tenant_id') }}
        and events.tracking_id > (select max(position_before) from {{ ref('current_turn') }})
        and events.received_at >= {{ asked.format('received_from') }}
        and events.received_at < {{ asked.format('received_before') }}
        and (
            not {{ asked.format('is_about_leads') }}
            or has({{ lead_ids }}, events.tracking_id)
            or events.tracking_id in (select tracking_id from concerned)
        )
    order by events.tenant_id, events.tracking_id
    limit {{ var('events_of_a_piece') }}
)

select
    tenant_id,
    tracking_id,
    count() as events
from piece
group by tenant_id, tracking_id
