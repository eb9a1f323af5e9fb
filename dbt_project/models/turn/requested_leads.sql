{#-
  The piece of a request that is of leads alone: the next leads of its tenant behind the last one of the piece before,
  which need not exist any more. Reads of marts.leads the keys of the piece.
-#}
-- depends_on: {{ ref('current_turn') }}
{{ config(
    tags=['turn'],
    materialized='table',
    engine='MergeTree()',
    order_by=['tenant_id', 'lead_id'],
    query_settings={'final': 0},
) }}

{%- set leads = built_so_far('marts', 'leads') %}
{%- set asked = '(select max({}) from ' ~ ref('current_turn') ~ ' where request_is_of_leads_alone)' %}

{% if leads -%}

select distinct
    tenant_id,
    lead_id
from {{ leads }}
where tenant_id = {{ asked.format('request_tenant_id') }} and lead_id > {{ asked.format('position_before') }}
order by tenant_id, lead_id
limit {{ var('leads_of_a_piece') }}

{%- else -%}

select
    '' as tenant_id,
    '' as lead_id
where false

{%- endif %}
