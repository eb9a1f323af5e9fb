{{ config(tags=['hot'], order_by=['tenant_id', 'tracking_id', 'started_at', 'session_id']) }}

with

-- What a server reports happened without the visitor being there: it opens no session and prolongs none.
events as (
    select
        *,
        {{ click_ids_of_event() }} as click_ids,
        concat(
            utm_source, utm_medium, utm_campaign, utm_term, utm_content, utm_id, arrayStringConcat(mapValues(click_ids))
        ) as campaign_key
    from {{ ref('events') }}
    where sent_by != 'server'
),

compared as (
    select
        *,
        lagInFrame(toNullable(occurred_at)) over earlier as previous_at,
        -- The campaign last seen: aggregates skip NULL, so events without one do not count.
        anyLast(nullIf(campaign_key, '')) over earlier as previous_campaign_key
    from events
    window earlier as (
        partition by tenant_id, tracking_id
        order by occurred_at, event_id
        rows between unbounded preceding and 1 preceding
    )
),

opened as (
    select
        *,
        previous_at is null
        or dateDiff('millisecond', previous_at, occurred_at) > {{ (var('session_gap_seconds') | int) * 1000 }}
        or (campaign_key != '' and campaign_key != coalesce(previous_campaign_key, '')) as opens_run
    from compared
),

runs as (
    select
        *,
        sum(opens_run) over (
            partition by tenant_id, tracking_id order by occurred_at, event_id rows unbounded preceding
        ) as run_number
    from opened
),

-- A run that never pauses is cut every `session_cap_seconds` from its start.
capped as (
    select
        *,
        intDiv(
            dateDiff('millisecond', min(occurred_at) over (partition by tenant_id, tracking_id, run_number), occurred_at),
            {{ (var('session_cap_seconds') | int) * 1000 }}
        ) as part_number
    from runs
),

sessions as (
    select
        tenant_id,
        tracking_id,
        run_number,
        part_number,
        min((occurred_at, event_id)) as first_key,
        max((occurred_at, event_id)) as last_key,
        max(received_at) as last_received_at,
        count() as events,
        countIf(event_name = 'page_view') as page_views,
        countIf(event_name = 'chat_start') as chats,
        countIf(event_name = 'form_submit') as form_submits,
        argMinIf(page_url, (occurred_at, event_id), page_url != '') as first_page_url,
        argMaxIf(page_url, (occurred_at, event_id), page_url != '') as last_page_url,
        {% for column in [
            'occurred_date', 'source', 'medium', 'campaign', 'channel', 'source_category', 'source_rule', 'is_paid', 'has_source_conflict',
            'utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content', 'utm_id', 'touch_referrer', 'device_type', 'browser', 'os', 'country', 'click_ids'
        ] -%}
        argMin({{ column }}, (occurred_at, event_id)) as entry_{{ column }},
        {% endfor -%}
        max(is_bot) as is_bot
    from capped
    group by tenant_id, tracking_id, run_number, part_number
)

select
    tenant_id,
    lower(hex(sipHash128(tenant_id, tracking_id, first_key.2))) as session_id,
    tracking_id,
    toUInt32(row_number() over (partition by tenant_id, tracking_id order by first_key)) as session_number,
    first_key.1 as started_at,
    last_key.1 as ended_at,
    entry_occurred_date as started_date,
    toUInt32(dateDiff('second', started_at, ended_at)) as duration_seconds,
    toUInt32(page_views) as page_views,
    toUInt32(events) as events,
    toUInt32(chats) as chats,
    toUInt32(form_submits) as form_submits,
    cutQueryStringAndFragment(first_page_url) as landing_page,
    cutQueryStringAndFragment(last_page_url) as exit_page,
    entry_source as source,
    entry_medium as medium,
    entry_campaign as campaign,
    entry_channel as channel,
    entry_source_rule as source_rule,
    entry_is_paid as is_paid,
    entry_has_source_conflict as has_source_conflict,
    entry_utm_source as utm_source,
    entry_utm_medium as utm_medium,
    entry_utm_campaign as utm_campaign,
    entry_utm_term as utm_term,
    entry_utm_content as utm_content,
    entry_utm_id as utm_id,
    entry_touch_referrer as referrer,
    entry_click_ids as click_ids,
    entry_device_type as device_type,
    entry_browser as browser,
    entry_os as os,
    entry_country as country,
    toBool(is_bot) as is_bot,
    toBool(page_views <= 1 and duration_seconds < 10 and chats = 0 and form_submits = 0) as is_bounce,
    last_received_at
from sessions
