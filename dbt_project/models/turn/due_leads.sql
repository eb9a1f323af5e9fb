{#-
  Leads that no event concerns and whose results may be others by now: a turn over loads computes them like those with new
  events. The clock alone changes them, those that are due longest first; or a conversation or deal has changed behind the
  last one that turns have taken (`is_told`), whose lead may have become part of another. Reads the granules of
  marts.lead_results that have a row of the past, by the index over `due_at`, these leads' rows, the last row of ops.turns,
  what is behind it of conversations and deals by their indexes, and the quarantine. Empty when everything is built.
-#}
-- depends_on: {{ ref('stg_operational__quarantine') }}
-- depends_on: {{ ref('lead_deals') }}
{{ config(
    tags=['turn'],
    materialized='table',
    engine='MergeTree()',
    order_by=['tenant_id', 'lead_id'],
    query_settings={'final': 0},
) }}

{%- set results = built_so_far('marts', 'lead_results') %}
{%- set turns = built_so_far('ops', 'turns') %}
{%- set conversations = built_so_far('marts', 'conversation_leads') %}
{%- set told_of = {'conversations_until': conversations, 'deals_until': built_so_far('marts', 'lead_deals')} %}
{%- set held = "(select tenant_id from " ~ ref('stg_operational__quarantine') ~ " where tracking_id = '')" %}
{% if results and turns -%}

with

last_turn as (  -- noqa: ST03
    select
        conversations_until,
        deals_until
    from {{ turns }}
    order by turn desc
    limit 1
)

-- Every version that is there, as the index is over all of them; the last one counts.
select
    tenant_id,
    lead_id,
    argMax(due_at, turn) as was_due_at,
    false as is_told,
    {{ no_news() }} as conversations_until,
    {{ no_news() }} as deals_until
from {{ results }}
where
    (tenant_id, lead_id) in (
        select
            tenant_id,
            lead_id
        from {{ results }}
        where due_at <= {{ clock() }}
    )
    -- Turns leave out a tenant that is quarantined: its leads wait, and keep no place from others.
    and tenant_id not in {{ held }}
group by tenant_id, lead_id
having was_due_at <= {{ clock() }} and argMax(is_deleted, turn) = 0
order by was_due_at, tenant_id, lead_id
limit {{ var('due_leads_of_a_turn') }}
{%- for cursor, table in told_of.items() if table %}

union all

select
    tenant_id,
    lead_id,
    {{ never() }} as was_due_at,
    true as is_told,
    {%- for each in told_of %}
    {{ '(turn, tenant_id, lead_id)' if each == cursor else no_news() }} as {{ each }}{{ ',' if not loop.last }}
    {%- endfor %}
from (
    select distinct
        turn,
        tenant_id,
        lead_id
    from {{ table }}
    where
        turn >= coalesce((select tupleElement({{ cursor }}, 1) from last_turn), 0)
        and (turn, tenant_id, lead_id) > coalesce((select {{ cursor }} from last_turn), {{ no_news() }})
    order by turn, tenant_id, lead_id
    limit {{ var('due_leads_of_a_turn') }}
)
{%- endfor %}

{%- else -%}

select
    '' as tenant_id,
    '' as lead_id,
    toDateTime64(0, 3, 'UTC') as was_due_at,
    false as is_told,
    {{ no_news() }} as conversations_until,
    {{ no_news() }} as deals_until
where false

{%- endif %}
