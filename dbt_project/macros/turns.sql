{#-
  What the tables that turns keep up to date share. Such a table holds versions of its rows: the one of the latest turn
  counts, and one with `is_deleted` says that the row is gone (ReplacingMergeTree). Readers ask with the setting
  `final`, which the project's profile and every account of the warehouse have.

  A model of such a table has two forms. Without `is_incremental()` it builds everything. With it, it computes the keys
  that the turn has found affected.
-#}

{#- The number of the turn that is under way. -#}
{% macro turn() -%}
    assumeNotNull((select max(turn) from {{ ref('current_turn') }}))
{%- endmacro %}

{#-
  The keys in one of the sets `affected_visitors`, `lead_visitors`, `affected_leads`. A turn that died or failed leaves its
  keys there, as what they had before it may be changed already: they belong to the turn that takes its place. That is the
  next one over loads, or the next one that takes a piece of the same request, so that neither fails for the other. Those of
  a tenant that is quarantined are left out.
-#}
{% macro affected(set) -%}
    (
        select * from {{ ref(set) }}
        where
            request_id = {{ turn_of_request() }}
            and tenant_id not in {{ held_tenants() }}
    )
{%- endmacro %}

{#- The request of which the turn takes a piece, '' in a turn over loads. -#}
{% macro turn_of_request() -%}
    assumeNotNull((select max(request_id) from {{ ref('current_turn') }}))
{%- endmacro %}

{#- The columns of the model beside the version's own two, in the order of its yml. -#}
{% macro own_columns() %}
    {{ return(model.columns.keys() | reject('in', ['turn', 'is_deleted']) | list) }}
{% endmacro %}

{#-
  The versions to add: every row of `computed`, and for each of the `known` rows of the table that is not among them its
  end. `key` are the columns that name a row. With `compared_by` a row is only added when this column differs from what is
  known. `number` is that of the turn where it is not one over events.
-#}
{% macro versions(computed, known, key, compared_by=none, number=none) -%}
    {% if not is_incremental() -%}
select
    *,
    {{ number if number else turn() }} as turn,
    toUInt8(0) as is_deleted
from {{ computed }}
    {%- else -%}
    {%- set columns = own_columns() | join(', ') -%}
select
    {{ columns }},
    {{ number if number else turn() }} as turn,
    toUInt8(is_known) as is_deleted
from (
    select {{ columns }}, false as is_known from {{ computed }}
    union all
    select {{ columns }}, true as is_known from {{ known }}
)
window place as (partition by {{ key | join(', ') }})
qualify
    {%- if compared_by %}
    if(
        is_known,
        min(is_known) over place,
        not max(is_known) over place or min({{ compared_by }}) over place != max({{ compared_by }}) over place
    )
    {%- else %}
    not is_known or min(is_known) over place
    {%- endif %}
    {%- endif %}
{%- endmacro %}

{#- The rows that the table has of the leads that the turn computes. -#}
{% macro rows_of_affected_leads() -%}
    (
        select * from {{ this }}
        where {{ is_in('affected_leads', 'lead_id') }}
    )
{%- endmacro %}

{#-
  The places where versions of the turn's events lie beside the time at which they happened: columns of `fresh_events`
  with each of these times in `occurred_at`. An end is written there.
-#}
{% macro other_places() -%}
    (
        select
            * except (occurred_at),
            arrayJoin(other_places) as occurred_at
        from fresh_events
    )
{%- endmacro %}

{#- The condition that a row belongs to a visitor or lead of one of these sets; `rows` names the row's table among several. -#}
{% macro is_among(set, key, rows='') -%}
    {%- set of = rows ~ '.' if rows else '' -%}
    ({{ of }}tenant_id, {{ of }}{{ key }}) in (select tenant_id, {{ key }} from {{ affected(set) }})
{%- endmacro %}

{#- The same in a turn; every row otherwise. -#}
{% macro is_in(set, key) -%}
    {%- set condition = is_among(set, key) -%}
    {{ condition if is_incremental() else 'true' }}
{%- endmacro %}

{#- How such a set is kept: keys are added; the live path drops those of a turn that is done. -#}
{% macro affected_set(key) %}
    {{ config(
        tags=['turn'],
        materialized='incremental',
        engine='MergeTree()',
        partition_by='request_id',
        order_by=key,
    ) }}
{% endmacro %}
