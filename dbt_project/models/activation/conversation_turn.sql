{#-
  What the next states of conversations are computed of: changes of leads, of conversations, of their contacts, of agents'
  presence and of codes of links behind those that were taken last, and conversations that the clock makes due. When everything is built anew,
  all of them.

  Reads the last row of ops.conversation_turns, the turns behind it by the tables' indexes, and the agents' presence.
-#}
{{ config(
    tags=['conversations'],
    materialized='table',
    engine='MergeTree()',
    order_by=['turn'],
    query_settings={'final': 0},
) }}

{%- set turns = built_so_far('ops', 'conversation_turns') %}
{%- set covers = built_so_far('marts', 'conversation_covers') %}

with

last_turn as (
    select
        turn,
        leads_until,
        chats_until,
        contacts_until,
        presence_until,
        clicks_until
    from (
        {% if turns -%}
        select * from (
            select
                turn,
                leads_until,
                chats_until,
                contacts_until,
                presence_until,
                clicks_until
            from {{ turns }}
            order by turn desc
            limit 1
        )
        union all
        {% endif -%}
        select
            toUInt64(0) as turn,
            toUInt64(0) as leads_until,
            toUInt64(0) as chats_until,
            toDateTime64(0, 3, 'UTC') as contacts_until,
            toDateTime64(0, 3, 'UTC') as presence_until,
            toUInt64(0) as clicks_until
    )
    order by turn desc
    limit 1
),

leads as (
    select max(turn) as newest from {{ ref('lead_deliveries') }}
    where turn > (select leads_until from last_turn)
),

chats as (
    select max(turn) as newest from {{ ref('conversation_facts') }}
    where turn > (select chats_until from last_turn)
),

contacts as (
    select max(seen_at) as newest from {{ ref('chat_contacts') }}
    where seen_at > (select contacts_until from last_turn)
),

presence as (
    select max(seen_at) as newest from {{ ref('chat_presence') }}
    where seen_at > (select presence_until from last_turn)
),

clicks as (
    select max(turn) as newest from {{ ref('link_codes') }}
    where turn > (select clicks_until from last_turn)
),

-- Every version that is there, as the index is over all of them; the last one counts.
due as (
    {% if covers -%}
    select count() as conversations
    from (
        select
            tenant_id,
            account_id,
            conversation_id
        from {{ covers }}
        where (tenant_id, account_id, conversation_id) in (
            select
                tenant_id,
                account_id,
                conversation_id
            from {{ covers }}
            where due_at <= {{ clock() }}
        )
        group by tenant_id, account_id, conversation_id
        having argMax(due_at, turn) <= {{ clock() }} and argMax(is_deleted, turn) = 0
    )
    {%- else -%}
    select toUInt64(0) as conversations
    {%- endif %}
)

select
    -- Milliseconds since 1970, so that numbers only grow, also when everything is built anew.
    greatest(last_turn.turn + 1, toUInt64(toUnixTimestamp64Milli(now64(3)))) as turn,
    last_turn.leads_until as leads_after,
    greatest(last_turn.leads_until, leads.newest) as leads_until,
    last_turn.chats_until as chats_after,
    greatest(last_turn.chats_until, chats.newest) as chats_until,
    last_turn.contacts_until as contacts_after,
    greatest(last_turn.contacts_until, toDateTime64(contacts.newest, 3, 'UTC')) as contacts_until,
    last_turn.presence_until as presence_after,
    greatest(last_turn.presence_until, toDateTime64(presence.newest, 3, 'UTC')) as presence_until,
    last_turn.clicks_until as clicks_after,
    greatest(last_turn.clicks_until, clicks.newest) as clicks_until,
    {{ clock() }} as looked_at,
    due.conversations as due
from last_turn
cross join leads
cross join chats
cross join contacts
cross join presence
cross join clicks
cross join due
