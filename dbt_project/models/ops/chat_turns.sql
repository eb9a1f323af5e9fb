{#- Reads the turn. Written last: what a turn that died had taken is taken again. -#}
-- depends_on: {{ ref('conversation_facts') }}
-- depends_on: {{ ref('chat_contacts') }}
-- depends_on: {{ ref('chat_names') }}
-- depends_on: {{ ref('chat_codes') }}
{{ config(tags=['chat'], materialized='incremental', engine='MergeTree()', order_by=['turn']) }}

select
    turn,
    last_load,
    last_pull,
    assumeNotNull((select count() from {{ ref('chat_news') }})) as records,
    assumeNotNull((select uniqExact(tenant_id, account_id, conversation_id) from {{ conversations_with_news() }})) as conversations,
    now64(3, 'UTC') as ended_at
from {{ ref('chat_turn') }}
