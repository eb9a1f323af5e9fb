{#-
  The leads of a request's piece before the turn computes them: what the request changes is told from it. Only turns that
  take a piece run it, before leads. Reads these leads.
-#}
-- depends_on: {{ ref('current_turn') }}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'lead_id']) }}

{%- set leads = built_so_far('marts', 'leads') %}
{%- if leads %}

select
    tenant_id,
    lead_id,
    {{ source_of_lead() }} as source,
    {{ row_digest() }} as digest
from {{ leads }}
where {{ is_among('affected_leads', 'lead_id') }}

{%- else %}

select
    tenant_id,
    lead_id,
    '' as source,
    '' as digest
from {{ ref('affected_leads') }}
where false

{%- endif %}
