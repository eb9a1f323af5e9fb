select * from {{ ref('leads') }}
where (tenant_id, identifying_event_id) not in (
    select
        tenant_id,
        event_id
    from {{ ref('events') }}
    where email != '' or phone != '' or external_id != '' or event_name = 'chat_start'
)
