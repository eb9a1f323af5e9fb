{#-
  A turn of chats takes the loads and the pulls behind the last ones taken, as many as it takes at once; when
  everything is built anew, all of them.

  Reads the last row of ops.chat_turns, and the loads and pulls behind it by their numbers.
-#}
{{ config(tags=['chat'], materialized='table', engine='MergeTree()', order_by=['turn']) }}

{%- set turns = built_so_far('ops', 'chat_turns') %}

with

last_turn as (
    select
        turn,
        last_load,
        last_pull
    from (
        {% if turns -%}
        select * from (
            select
                turn,
                last_load,
                last_pull
            from {{ turns }}
            order by turn desc
            limit 1
        )
        union all
        {% endif -%}
        select
            toUInt64(0) as turn,
            toInt64(0) as last_load,
            toInt64(0) as last_pull
    )
    order by turn desc
    limit 1
),

loads as (
    select
        load_seq,
        webhooks,
        oldest_received_at,
        sum(webhooks) over (order by load_seq rows between unbounded preceding and 1 preceding) as webhooks_before
    from {{ source('collector', 'loads') }}
    where load_seq > (select last_load from last_turn)
),

new_loads as (
    select
        max(load_seq) as newest_load,
        sum(webhooks) as new_webhooks,
        minIf(oldest_received_at, webhooks > 0) as oldest_webhook_at
    from loads
    {%- if turns %}
    where webhooks_before < {{ var('webhooks_of_a_chat_turn') }}
    {%- endif %}
),

pulls as (
    select distinct load_seq
    from {{ source('chat', 'chat_records') }}
    where load_seq > (select last_pull from last_turn)
    {%- if turns %}
    order by load_seq
    limit {{ var('pulls_of_a_chat_turn') }}
    {%- endif %}
),

new_pulls as (
    select max(load_seq) as newest_pull from pulls
)

select
    -- Milliseconds since 1970, so that numbers only grow, also when everything is built anew.
    greatest(last_turn.turn + 1, toUInt64(toUnixTimestamp64Milli(now64(3)))) as turn,
    last_turn.last_load as load_before,
    greatest(last_turn.last_load, new_loads.newest_load) as last_load,
    new_loads.new_webhooks as webhooks,
    -- Without webhooks nothing of theirs is read.
    if(new_loads.new_webhooks = 0, toDateTime64('2105-01-01', 3, 'UTC'), new_loads.oldest_webhook_at) as oldest_received_at,
    last_turn.last_pull as pull_before,
    greatest(last_turn.last_pull, new_pulls.newest_pull) as last_pull
from last_turn
cross join new_loads
cross join new_pulls
