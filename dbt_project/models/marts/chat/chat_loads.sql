{#-
  How many open conversations agents and teams have. A conversation without a message for 30 days does not count.

  Reads in a turn the agents, teams and recent conversations of the accounts of which something is new.
-#}
-- depends_on: {{ ref('chat_news') }}
{{ config(
    tags=['chat'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn)',
    order_by=['tenant_id', 'account_id', 'kind', 'record_id'],
    settings={'index_granularity': 256},
) }}

{%- set recent_days = 30 %}
{%- set in_news = "(tenant_id, account_id) in (select tenant_id, account_id from " ~ ref('chat_news') ~ ")" %}
{%- set of_news = in_news if is_incremental() else 'true' %}

with

open_conversations as (
    select
        tenant_id,
        account_id,
        arrayJoin([('agent', assignee_id), ('team', team_id)]) as holder
    from {{ ref('conversation_facts') }}
    where
        status = 'open'
        and (last_message_at is null or last_message_at >= now64(3) - interval {{ recent_days }} day)
        and {{ of_news }}
),

loads as (
    select
        tenant_id,
        account_id,
        holder.1 as kind,
        holder.2 as record_id,
        count() as conversations
    from open_conversations
    where record_id > 0
    group by tenant_id, account_id, kind, record_id
),

members as (
    select
        tenant_id,
        account_id,
        'agent' as kind,
        agent_id as record_id,
        [lowerUTF8(trim(name)), lowerUTF8(trim(email))] as name_keys
    from {{ ref('chat_presence') }}
    where {{ of_news }}
    union all
    select
        tenant_id,
        account_id,
        'team' as kind,
        team_id as record_id,
        [lowerUTF8(trim(name))] as name_keys
    from {{ ref('chat_teams') }}
    where {{ of_news }}
)

select
    members.tenant_id as tenant_id,
    members.account_id as account_id,
    members.kind as kind,
    members.record_id as record_id,
    arrayFilter(each -> each != '', members.name_keys) as name_keys,
    toUInt32(loads.conversations) as open_conversations,
    assumeNotNull((select max(turn) from {{ ref('chat_turn') }})) as turn
from members
left join loads
    on
        members.tenant_id = loads.tenant_id
        and members.account_id = loads.account_id
        and members.kind = loads.kind
        and members.record_id = loads.record_id
