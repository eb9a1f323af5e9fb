select * from {{ ref('leads') }}
where (tenant_id, identifying_event_id) not in (
    select
        tenant_id,
        event_id
    from {{ ref('events') }}
    where {{ identifies_lead() }}
)
