{#-
  What the next states of conversations are computed of: changes of leads, of conversations and of their contacts behind
  those that were taken last. When everything is built anew, all of them.

  Reads the last row of ops.conversation_turns, and the turns behind it by the tables' indexes.
-#}
{{ config(
    tags=['conversations'],
    materialized='table',
    engine='MergeTree()',
    order_by=['turn'],
    query_settings={'final': 0},
) }}

{%- set turns = built_so_far('ops', 'conversation_turns') %}

with

last_turn as (
    select
        turn,
        leads_until,
        chats_until,
        contacts_until
    from (
        {% if turns -%}
        select * from (
            select
                turn,
                leads_until,
                chats_until,
                contacts_until
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
            toDateTime64(0, 3, 'UTC') as contacts_until
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
)

select
    -- Milliseconds since 1970, so that numbers only grow, also when everything is built anew.
    greatest(last_turn.turn + 1, toUInt64(toUnixTimestamp64Milli(now64(3)))) as turn,
    last_turn.leads_until as leads_after,
    greatest(last_turn.leads_until, leads.newest) as leads_until,
    last_turn.chats_until as chats_after,
    greatest(last_turn.chats_until, chats.newest) as chats_until,
    last_turn.contacts_until as contacts_after,
    greatest(last_turn.contacts_until, toDateTime64(contacts.newest, 3, 'UTC')) as contacts_until
from last_turn
cross join leads
cross join chats
cross join contacts
