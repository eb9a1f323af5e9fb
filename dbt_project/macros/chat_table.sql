{#-
  How what is known of chats is kept: of rows with the same key the one seen last. The live path adds to these tables after
  each load with webhooks and each pull (orchestration/live/chat_turns.py). `found_by` are the columns by which turns over
  leads find rows.
-#}
{% macro chat_table(key, version='seen_at', found_by=[]) %}
    {{ config(
        tags=['chat'],
        materialized='incremental',
        engine='ReplacingMergeTree(' ~ version ~ ')',
        order_by=key,
        settings={'index_granularity': 1024},
        indexes=looked_up_by(found_by),
    ) }}
{% endmacro %}

{#- The keys of the conversations of which something is new. -#}
{% macro conversations_with_news() -%}
    (select tenant_id, account_id, conversation_id from {{ ref('chat_news') }} where conversation_id > 0)
{%- endmacro %}
