{#-
  Reads in a turn the affected visitors' events from the session before the earliest new one on, and their sessions.
-#}
-- depends_on: {{ ref('affected_visitors') }}
-- depends_on: {{ ref('current_turn') }}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'tracking_id', 'started_at'],
    settings={'index_granularity': 256},
    indexes=[
        {'name': 'of_turn', 'definition': 'turn type minmax granularity 1'},
        {'name': 'of_time', 'definition': 'started_at type minmax granularity 1'},
    ] + looked_up_by(['tracking_id']),
) }}

{%- set entry_columns = [
    'occurred_date', 'source', 'medium', 'campaign', 'campaign_ids', 'channel', 'source_category', 'source_rule', 'is_paid',
    'has_source_conflict', 'utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content', 'utm_id', 'touch_referrer',
    'device_type', 'browser', 'os', 'country', 'click_ids', 'arrived_at',
] %}

with

{% if is_incremental() -%}
affected as (
    select * from {{ affected('affected_visitors') }}
    order by computed_from
    limit 1 by tenant_id, tracking_id
),
{%- endif %}

-- What a server reports happened without the visitor being there: it opens no session and prolongs none.
events as (
    select
        events.*,
        {% if is_incremental() -%}
        affected.has_session_before as has_session_before,
        affected.sessions_before as sessions_before,
        affected.run_started_at as run_before_started_at,
        affected.arrival_before as arrival_before,
        affected.touch_at_before as touch_at_before,
        {%- else -%}
        false as has_session_before,
        toUInt32(0) as sessions_before,
        events.occurred_at as run_before_started_at,
        {{ no_arrival() }} as arrival_before,
        toDateTime64(0, 3, 'UTC') as touch_at_before,
        {%- endif %}
        {{ click_ids_of_event() }} as click_ids,
        coalesce(touch_at, occurred_at) as arrived_at
    from {{ ref('events') }} as events
    {% if is_incremental() -%}
    inner join affected on events.tenant_id = affected.tenant_id and events.tracking_id = affected.tracking_id
    {%- endif %}
    where
        events.sent_by != 'server'
        {% if is_incremental() -%}
        and (events.tenant_id, events.tracking_id) in (select tenant_id, tracking_id from affected)
        and events.occurred_at >= (select min(computed_from) from affected)
        and events.occurred_at >= affected.computed_from
        {%- endif %}
),

-- Every window is over a visitor's events in their order, and there are as few as there can be: each sorts all columns.
-- `place` is that order as a number: comparing numbers costs a fraction of comparing pairs of a time and a text.
paused as (
    select
        *,
        row_number() over (
            partition by tenant_id, tracking_id order by occurred_at, event_id rows unbounded preceding
        ) as place,
        lagInFrame(toNullable(occurred_at)) over (
            partition by tenant_id, tracking_id
            order by occurred_at, event_id
            rows between unbounded preceding and 1 preceding
        ) as previous_at,
        -- Without an event before it, it begins a stretch, unless it is known what came before it in its stretch.
        if(
            previous_at is null,
            arrival_before = {{ no_arrival() }},
            dateDiff('millisecond', assumeNotNull(previous_at), occurred_at) > {{ (var('session_gap_seconds') | int) * 1000 }}
        ) as begins_stretch
    from events
),

-- The newest arrival of the stretch so far, as (when, which). What begins a stretch is one, with whatever it came: nothing
-- from before the pause is newer, as an arrival or touch is no later than the event that tells of it. A touch without a
-- campaign is none within a stretch, but what is told of it later is not new either: an own link, which an event on another
-- page does not show.
arrivals as (
    select
        *,
        max(
            multiIf(
                begins_stretch, (occurred_at, arrival_key), arrival_key != 0, (arrived_at, arrival_key), {{ no_arrival() }}
            )
        ) over visitor_before as seen,
        max(coalesce(touch_at, toDateTime64(0, 3, 'UTC'))) over visitor_before as seen_touch_at,
        multiIf(begins_stretch, {{ no_arrival() }}, arrival_before > seen, arrival_before, seen) as newest_arrival,
        greatest(touch_at_before, seen_touch_at) as told_touch_at,
        if(begins_stretch or told_touch_at <= newest_arrival.1, toDateTime64(0, 3, 'UTC'), told_touch_at) as newest_touch_at,
        begins_stretch
        or previous_at is null
        or (
            arrival_key != 0
            and arrival_key != newest_arrival.2
            and arrived_at > greatest(newest_arrival.1, newest_touch_at)
        ) as opens
    from paused
    window visitor_before as (
        partition by tenant_id, tracking_id order by place rows between unbounded preceding and 1 preceding
    )
),

-- All events of one moment are in one session, so that a session is named by its start. A run begins with a moment of which
-- an event opens it; a visitor's first event always does.
runs as (
    select
        *,
        maxIf(occurred_at, opens) over visitor_to_the_moment as opened_at,
        min(occurred_at) over visitor_to_the_moment as first_at
    from arrivals
    window visitor_to_the_moment as (partition by tenant_id, tracking_id order by occurred_at)
),

-- A run that never pauses is cut every `session_cap_seconds` from its start.
capped as (
    select
        *,
        if(has_session_before and opened_at = first_at, run_before_started_at, opened_at) as run_started_at,
        intDiv(
            dateDiff('millisecond', run_started_at, occurred_at), {{ (var('session_cap_seconds') | int) * 1000 }}
        ) as part_number,
        -- A session came with the first moment's first event that opens it, else with its first.
        bitShiftLeft(toUInt128(toUnixTimestamp64Milli(occurred_at)), 64) + if(opens, 0, bitShiftLeft(toUInt64(1), 63)) + place
            as entry_place
    from runs
),

sessions as (
    select
        tenant_id,
        tracking_id,
        opened_at,
        part_number,
        any(sessions_before) as number_before,
        any(run_started_at) as run_start,
        argMin((newest_arrival, newest_touch_at), place) as known_before,
        argMin(event_id, place) as first_event_id,
        min(occurred_at) as first_at,
        max(occurred_at) as last_at,
        max(received_at) as last_received_at,
        count() as events,
        countIf(event_name = 'page_view') as page_views,
        countIf(event_name = 'chat_start') as chats,
        countIf(event_name = 'form_submit') as form_submits,
        argMinIf(page_url, place, page_url != '') as first_page_url,
        argMaxIf(page_url, place, page_url != '') as last_page_url,
        {% for column in entry_columns -%}
        argMin({{ column }}, entry_place) as entry_{{ column }},
        {% endfor -%}
        {% for purpose in ['analytics', 'marketing', 'ads'] -%}
        argMaxIf({{ purpose }}_consent, place, {{ purpose }}_consent != '') as said_{{ purpose }}_consent,
        maxIf(toNullable(occurred_at), {{ purpose }}_consent != '') as {{ purpose }}_said_at,
        {% endfor -%}
        {% for memory in ['first', 'last_non_direct'] -%}
        argMinIf(({{ memory }}_touch, {{ memory }}_touch_at), place, {{ memory }}_touch_at is not null) as told_{{ memory }},
        {% endfor -%}
        max(is_bot) as has_bot_event
    from capped
    group by tenant_id, tracking_id, opened_at, part_number
),

computed as (
    select
        tenant_id,
        lower(hex(sipHash128(tenant_id, tracking_id, first_event_id))) as session_id,
        tracking_id,
        toUInt32(number_before + row_number() over (partition by tenant_id, tracking_id order by first_at))
            as session_number,
        first_at as started_at,
        last_at as ended_at,
        entry_occurred_date as started_date,
        toUInt32(dateDiff('second', started_at, ended_at)) as duration_seconds,
        toUInt32(page_views) as page_views,
        toUInt32(events) as events,
        toUInt32(chats) as chats,
        toUInt32(form_submits) as form_submits,
        cutQueryStringAndFragment(first_page_url) as landing_page,
        cutQueryStringAndFragment(last_page_url) as exit_page,
        {% for column in entry_columns if column not in ['occurred_date', 'source_category', 'touch_referrer', 'arrived_at'] -%}
        entry_{{ column }} as {{ column }},
        {% endfor -%}
        entry_touch_referrer as referrer,
        {% for purpose in ['analytics', 'marketing', 'ads'] -%}
        said_{{ purpose }}_consent as {{ purpose }}_consent,
        {{ purpose }}_said_at as {{ purpose }}_consent_at,
        {% endfor -%}
        {% for memory in ['first', 'last_non_direct'] -%}
        told_{{ memory }}.1 as {{ memory }}_touch,
        told_{{ memory }}.2 as {{ memory }}_touch_at,
        {% endfor -%}
        entry_arrived_at as arrived_at,
        run_start as run_started_at,
        known_before.1.1 as arrival_before_at,
        known_before.1.2 as arrival_key_before,
        known_before.2 as touch_at_before,
        toBool(has_bot_event) as is_bot,
        toBool(page_views <= 1 and duration_seconds < 10 and chats = 0 and form_submits = 0) as is_bounce,
        last_received_at
    from sessions
)

{% if is_incremental() -%}
,
known as (
    select known.*
    from {{ this }} as known
    inner join affected on known.tenant_id = affected.tenant_id and known.tracking_id = affected.tracking_id
    where
        (known.tenant_id, known.tracking_id) in (select tenant_id, tracking_id from affected)
        and known.started_at >= affected.computed_from
)
{%- endif %}

{{ versions('computed', 'known', ['tenant_id', 'tracking_id', 'started_at']) }}
