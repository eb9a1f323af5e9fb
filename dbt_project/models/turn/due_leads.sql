{#-
  Leads whose results the clock alone changes by now, those that are due longest first: a turn over loads computes them
  like those with new events. Reads the granules of marts.lead_results that have a row of the past, by the index over
  `due_at`, and these leads' rows. Empty when everything is built.
-#}
{{ config(
    tags=['turn'],
    materialized='table',
    engine='MergeTree()',
    order_by=['tenant_id', 'lead_id'],
    query_settings={'final': 0},
) }}

{%- set results = built_so_far('marts', 'lead_results') %}
{% if results -%}

-- Every version that is there, as the index is over all of them; the last one counts.
select
    tenant_id,
    lead_id,
    argMax(due_at, turn) as was_due_at
from {{ results }}
where (tenant_id, lead_id) in (
    select
        tenant_id,
        lead_id
    from {{ results }}
    where due_at <= {{ clock() }}
)
group by tenant_id, lead_id
having was_due_at <= {{ clock() }} and argMax(is_deleted, turn) = 0
order by was_due_at, tenant_id, lead_id
limit {{ var('due_leads_of_a_turn') }}

{%- else -%}

select
    '' as tenant_id,
    '' as lead_id,
    toDateTime64(0, 3, 'UTC') as was_due_at
where false

{%- endif %}
