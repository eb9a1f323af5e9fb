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
)

select * from in_sessions
full join received using (tenant_id)
where session_events != visit_events
