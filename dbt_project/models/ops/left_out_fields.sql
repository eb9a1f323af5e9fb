{#- A view: reads what engines found at the tenant's destinations. -#}
select
    fields.tenant_id as tenant_id,
    fields.destination_id as destination_id,
    destinations.destination_name as destination_name,
    fields.field as field,
    fields.reason as reason
from {{ ref('stg_operational__destination_fields') }} as fields
inner join {{ ref('stg_operational__destinations') }} as destinations
    on fields.tenant_id = destinations.tenant_id and fields.destination_id = destinations.destination_id
where destinations.is_enabled
