{#- Reads in a turn the sessions and events of the visitors of its leads, and the touches that these leads had before. -#}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'lead_id', 'touch_at', 'tracking_id', 'origin'],
    settings={'index_granularity': 1024},
) }}

with

visitors as (
    select * from {{ ref('lead_members') }}
),

sessions as (
    select
        sessions.*,
        visitors.lead_id as lead_id
    from {{ ref('sessions') }} as sessions
    inner join visitors using (tenant_id, tracking_id)
    where {{ is_in('lead_visitors', 'tracking_id') }}
),

server_events as (
    select * from {{ ref('lead_events') }}
    where sent_by = 'server' and {{ is_in('lead_visitors', 'tracking_id') }}
),

-- A visitor known only from a server's events came from where the first of them says.
first_server_events as (
    select
        *,
        {{ click_ids_of_event() }} as click_ids
    from server_events
    where (tenant_id, tracking_id) not in (select tenant_id, tracking_id from sessions)
    order by occurred_at, event_id
    limit 1 by tenant_id, tracking_id
),

-- What the script remembers from before it was allowed to send anything. Each session repeats it, with the error of its
-- own clock correction: the first that says it counts, so that its time never moves.
told as (
    select
        tenant_id,
        tracking_id,
        told_at,
        arrayJoin([
            ('remembered_first', first_touch, first_touch_at),
            ('remembered_last_non_direct', last_non_direct_touch, last_non_direct_touch_at)
        ]) as memory
    from (
        {% for relation, told_at in [('sessions', 'started_at'), ('server_events', 'occurred_at')] -%}
        select
            tenant_id,
            tracking_id,
            {{ told_at }} as told_at,
            first_touch,
            first_touch_at,
            last_non_direct_touch,
            last_non_direct_touch_at
        from {{ relation }}
        {{ 'union all' if not loop.last }}
        {% endfor %}
    )
),

memories as (
    select
        tenant_id,
        tracking_id,
        memory.1 as origin,
        memory.2 as touch,
        argMin(assumeNotNull(memory.3), (told_at, assumeNotNull(memory.3))) as remembered_at
    from told
    where memory.3 is not null
    group by tenant_id, tracking_id, origin, touch
),

remembered as (
    select
        tenant_id,
        tracking_id,
        origin,
        if(
            origin = 'remembered_first',
            argMin((touch, remembered_at), (remembered_at, touch)),
            argMax((touch, remembered_at), (remembered_at, touch))
        ) as memory
    from memories
    group by tenant_id, tracking_id, origin
),

remembered_touches as (
    select
        remembered.tenant_id as tenant_id,
        remembered.tracking_id as tracking_id,
        remembered.origin as origin,
        visitors.lead_id as lead_id,
        tenant_rules.own_hosts as own_hosts,
        remembered.memory.2 as touch_at,
        JSONExtractString(remembered.memory.1, 'landing_url') as touch_landing_url,
        JSONExtractString(remembered.memory.1, 'referrer') as touch_referrer,
        JSONExtract(remembered.memory.1, 'params', 'Map(String, String)') as touch_params
    from remembered
    inner join visitors on remembered.tenant_id = visitors.tenant_id and remembered.tracking_id = visitors.tracking_id
    left join {{ ref('tenant_rules') }} as tenant_rules on remembered.tenant_id = tenant_rules.tenant_id
),

{{ classify_touches('remembered_touches') }},

computed as (
    select
        tenant_id,
        lead_id,
        tracking_id,
        'session' as origin,
        session_id,
        started_at as touch_at,
        landing_page,
        referrer,
        source,
        medium,
        campaign,
        utm_term as term,
        utm_content as content,
        channel,
        is_paid,
        source_rule,
        utm_source,
        utm_medium,
        utm_campaign,
        click_ids
    from sessions

    union all

    select
        events.tenant_id,
        visitors.lead_id,
        events.tracking_id,
        'server_event' as origin,
        '' as session_id,
        events.occurred_at as touch_at,
        cutQueryStringAndFragment(events.landing_url) as landing_page,
        events.touch_referrer as referrer,
        events.source,
        events.medium,
        events.campaign,
        events.utm_term as term,
        events.utm_content as content,
        events.channel,
        events.is_paid,
        events.source_rule,
        events.utm_source,
        events.utm_medium,
        events.utm_campaign,
        click_ids
    from first_server_events as events
    inner join visitors on events.tenant_id = visitors.tenant_id and events.tracking_id = visitors.tracking_id

    union all

    select
        tenant_id,
        lead_id,
        tracking_id,
        origin,
        '' as session_id,
        touch_at,
        cutQueryStringAndFragment(touch_landing_url) as landing_page,
        touch_referrer as referrer,
        source,
        medium,
        campaign,
        touch_params['utm_term'] as term,
        touch_params['utm_content'] as content,
        channel,
        toBool(is_paid) as is_paid,
        source_rule,
        touch_params['utm_source'] as utm_source,
        touch_params['utm_medium'] as utm_medium,
        touch_params['utm_campaign'] as utm_campaign,
        {{ click_id_map('touch_params') }} as click_ids
    from classified
)

{{ versions('computed', rows_of_affected_leads(), ['tenant_id', 'lead_id', 'touch_at', 'tracking_id', 'origin']) }}
