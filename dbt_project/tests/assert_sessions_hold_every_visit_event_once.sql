with

in_sessions as (
    select
        tenant_id,
        sum(events) as session_events
    from {{ ref('sessions') }}
    group by tenant_id
),

received as (
    select
        tenant_id,
        count() as visit_events
    from {{ ref('events') }}
    where sent_by != 'server'
    group by tenant_id
),

found as (
    select
        tenant_id,
        session_id,
        count() as found_events
    from {{ ref('session_events') }}
    group by tenant_id, session_id
)

select * from in_sessions
full join received using (tenant_id)
where session_events != visit_events

union all

-- And each is found in the session that counts it.
select
    tenant_id,
    events as session_events,
    found_events as visit_events
from {{ ref('sessions') }}
left join found using (tenant_id, session_id)
where events != found_events
