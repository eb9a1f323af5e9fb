{#- Reads the turn. Written last: what a turn that died had taken is taken again. -#}
-- depends_on: {{ ref('conversation_deliveries') }}
-- depends_on: {{ ref('conversation_covers') }}
-- depends_on: {{ ref('conversation_leads') }}
-- depends_on: {{ ref('code_joins') }}
{{ config(tags=['conversations'], materialized='incremental', engine='MergeTree()', order_by=['turn']) }}

select
    turn,
    leads_until,
    chats_until,
    contacts_until,
    presence_until,
    clicks_until,
    assumeNotNull((select count() from {{ ref('conversation_news') }})) as changes,
    now64(3, 'UTC') as ended_at
from {{ ref('conversation_turn') }}
