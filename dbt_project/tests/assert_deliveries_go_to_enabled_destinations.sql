select * from {{ ref('lead_deliveries') }}
where (tenant_id, destination_id) not in (
    select
        tenant_id,
        destination_id
    from {{ ref('stg_operational__destinations') }}
    where is_enabled
)
