{#-
  The visitors whose sessions are computed again, and where from: the session before the earliest new event. What the
  sessions before it leave behind comes with it. Reads the sessions of these visitors.
-#}
-- depends_on: {{ ref('current_turn') }}
{{ affected_set(['tenant_id', 'tracking_id']) }}

{%- set sessions = built_so_far('marts', 'sessions') %}

with

affected as (
    select * from {{ ref('changed_visitors') }}
){% if sessions %},

before as (
    select
        sessions.tenant_id as tenant_id,
        sessions.tracking_id as tracking_id,
        argMax(
            (
                sessions.started_at,
                sessions.session_number,
                sessions.run_started_at,
                (sessions.arrival_before_at, sessions.arrival_key_before),
                sessions.touch_at_before
            ),
            sessions.started_at
        ) as last_session
    from {{ sessions }} as sessions
    inner join affected on sessions.tenant_id = affected.tenant_id and sessions.tracking_id = affected.tracking_id
    where
        (sessions.tenant_id, sessions.tracking_id) in (select tenant_id, tracking_id from affected)
        and sessions.started_at < affected.since
    group by sessions.tenant_id, sessions.tracking_id
)

select
    affected.tenant_id as tenant_id,
    affected.tracking_id as tracking_id,
    {{ turn_of_request() }} as request_id,
    affected.since as since,
    before.last_session.2 > 0 as has_session_before,
    if(has_session_before, before.last_session.1, affected.since) as computed_from,
    if(has_session_before, before.last_session.2 - 1, 0) as sessions_before,
    if(has_session_before, before.last_session.3, affected.since) as run_started_at,
    before.last_session.4 as arrival_before,
    before.last_session.5 as touch_at_before
from affected
left join before using (tenant_id, tracking_id)

{%- else %}

select
    tenant_id,
    tracking_id,
    {{ turn_of_request() }} as request_id,
    since,
    false as has_session_before,
    since as computed_from,
    toUInt32(0) as sessions_before,
    since as run_started_at,
    {{ no_arrival() }} as arrival_before,
    toDateTime64(0, 3, 'UTC') as touch_at_before
from affected

{%- endif %}
