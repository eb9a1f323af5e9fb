{#-
  What a turn over campaigns takes: what turns over events have computed since the last one, and what was loaded since ten
  minutes before it, as a load is dated by its begin. To take something twice changes nothing. Reads the last row of
  ops.turns and of the turns before.
-#}
{{ config(tags=['campaigns'], materialized='table', engine='MergeTree()', order_by=['turn']) }}

{%- set turns = built_so_far('staging', 'campaign_turns') %}

with

last_turn as (
    select
        max(before.turn) as turn,
        max(before.events_until) as events_until,
        max(before.started_at) as started_at
    from (
        {% if turns -%}
        select * from (
            select turn, events_until, started_at from {{ turns }}
            order by turn desc limit 1
        )
        union all
        {% endif -%}
        select toUInt64(0) as turn, toUInt64(0) as events_until, toDateTime64(0, 3, 'UTC') as started_at
    ) as before
)

select
    greatest(toUInt64(toUnixTimestamp64Milli(now64(3))), last_turn.turn + 1) as turn,
    now64(3, 'UTC') as started_at,
    last_turn.events_until as events_from,
    greatest(last_turn.events_until, assumeNotNull((select max(turns.turn) from {{ ref('turns') }} as turns))) as events_until,
    if(last_turn.turn = 0, last_turn.started_at, last_turn.started_at - toIntervalMinute(10)) as news_from
from last_turn
