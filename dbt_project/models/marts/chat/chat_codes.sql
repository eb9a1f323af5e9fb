{#-
  The codes of WhatsApp links that customers' messages carry, whichever way a message was seen.

  Reads in a turn the messages of the conversations of which something is new.
-#}
-- depends_on: {{ ref('chat_news') }}
{{ config(
    tags=['chat'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn)',
    order_by=['tenant_id', 'code', 'account_id', 'conversation_id', 'message_id'],
    settings={'index_granularity': 256},
    indexes=looked_up_by(['conversation_id']),
) }}

select
    tenant_id,
    link_code as code,
    account_id,
    conversation_id,
    message_id,
    min(written_at) as written_at,
    assumeNotNull((select max(turn) from {{ ref('chat_turn') }})) as turn
from {{ ref('chat_messages_seen') }}
where
    link_code != ''
    {%- if is_incremental() %}
    and (tenant_id, account_id, conversation_id) in {{ conversations_with_news() }}
    {%- endif %}
group by tenant_id, code, account_id, conversation_id, message_id
