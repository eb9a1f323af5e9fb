{#-
  What the tables of campaigns share. They are brought up to date by turns of their own, beside those over events: of what
  changed since the last one, days of campaigns are found affected and computed again (docs/decisions/0034-spend.md).
-#}

{#- How such a table is kept: versions of its rows, of which the latest counts (macros/turns.sql). -#}
{% macro campaign_table(key, partition_by=none, indexes=[]) %}
    {{ config(
        tags=['campaigns'],
        materialized='incremental',
        engine='ReplacingMergeTree(turn, is_deleted)',
        order_by=key,
        partition_by=partition_by,
        settings={'index_granularity': 1024},
        indexes=indexes,
    ) }}
{% endmacro %}

{#- The number of the turn over campaigns that is under way. -#}
{% macro campaign_turn() -%}
    assumeNotNull((select max(turn) from {{ ref('campaign_turn') }}))
{%- endmacro %}

{#- From when on loads of spend and deals are new to it. -#}
{% macro campaign_news_from() -%}
    assumeNotNull((select max(news_from) from {{ ref('campaign_turn') }}))
{%- endmacro %}

{#- Whether a turn over events which computed something is new to it. -#}
{% macro is_new_to_campaigns(turn) -%}
    {{ turn }} > (select max(events_from) from {{ ref('campaign_turn') }})
    and {{ turn }} <= (select max(events_until) from {{ ref('campaign_turn') }})
{%- endmacro %}

{#- What of an arrival says which campaign it is of. -#}
{% macro names_a_campaign() -%}
    (campaign != '' or utm_campaign != '' or notEmpty(campaign_ids) or is_paid)
{%- endmacro %}

{#- The click id of an arrival that only ads carry, '' when it has none; of several the one that counts first. -#}
{% macro paid_click() -%}
    arrayFirst(name -> click_ids[name] != '', {{ column_as_array(ref('click_ids'), 'click_id', 'priority', 'is_paid = 1') }})
{%- endmacro %}

{#- Date of a moment in any time zone that the warehouse knows, where rows are too few for `tenant_date` to matter. -#}
{% macro date_in_zone(at, time_zone) -%}
    toDateOrZero(substring(toString({{ at }}, {{ time_zone }}), 1, 10))
{%- endmacro %}
