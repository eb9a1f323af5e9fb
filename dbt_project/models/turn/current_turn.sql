{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['turn']) }}

{%- set turns = built_so_far('ops', 'turns') %}

with

last_turn as (
    select
        turn,
        last_load
    from (
        {% if turns -%}
        select * from (
            select
                turn,
                last_load
            from {{ turns }}
            order by turn desc
            limit 1
        )
        union all
        {% endif -%}
        select
            toUInt64(0) as turn,
            toInt64(0) as last_load
    )
    order by turn desc
    limit 1
),

-- As many as a turn takes at once, and one at least.
new_loads as (
    select *
    from (
        select
            *,
            sum(events) over (order by load_seq rows between unbounded preceding and 1 preceding) as events_before
        from {{ source('collector', 'loads') }}
        where load_seq > (select last_load from last_turn)
    )
    where events_before < {{ var('events_of_a_turn') }}
)

-- Reads the last row of ops.turns and the loads behind it, by the tables' keys.
select
    last_turn.turn as last_turn,
    -- Milliseconds since 1970, so that numbers only grow, also when everything is built anew.
    greatest(last_turn.turn + 1, toUInt64(toUnixTimestamp64Milli(now64(3)))) as turn,
    now64(3, 'UTC') as started_at,
    last_turn.last_load as load_before,
    greatest(last_turn.last_load, max(new_loads.load_seq)) as last_load,
    min(new_loads.oldest_received_at) as oldest_received_at,
    max(new_loads.newest_received_at) as newest_received_at
from last_turn
left join new_loads on true
group by last_turn.turn, last_turn.last_load
