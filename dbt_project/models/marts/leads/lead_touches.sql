{{ config(tags=['hot'], order_by=['tenant_id', 'lead_id', 'touch_at', 'tracking_id', 'origin']) }}

with

visitors as (
    select
        tenant_id,
        lead_id,
        value as tracking_id
    from {{ ref('identities') }}
    where kind = 'tracking_id'
),

sessions as (
    select
        sessions.*,
        visitors.lead_id as lead_id
    from {{ ref('sessions') }} as sessions
    inner join visitors using (tenant_id, tracking_id)
),

visitor_events as (
    select * from {{ ref('events') }}
    where (tenant_id, tracking_id) in (select tenant_id, tracking_id from visitors)
),

-- A visitor known only from a server's events came from where the first of them says.
first_server_events as (
    select
        *,
        {{ click_ids_of_event() }} as click_ids
    from visitor_events
    where (tenant_id, tracking_id) not in (select tenant_id, tracking_id from sessions)
    order by occurred_at, event_id
    limit 1 by tenant_id, tracking_id
),

-- What the script remembers from before it was allowed to send anything. Every event repeats it, with the error of its
-- own clock correction: the first event that says it counts, so that its time never moves.
said as (
    select
        tenant_id,
        tracking_id,
        event_id,
        occurred_at,
        arrayJoin([
            ('remembered_first', first_touch, first_touch_at),
            ('remembered_last_non_direct', last_non_direct_touch, last_non_direct_touch_at)
        ]) as memory
    from visitor_events
),

memories as (
    select
        tenant_id,
        tracking_id,
        memory.1 as origin,
        memory.2 as touch,
        argMin(assumeNotNull(memory.3), (occurred_at, event_id)) as remembered_at
    from said
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

{{ classify_touches('remembered_touches') }}

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
