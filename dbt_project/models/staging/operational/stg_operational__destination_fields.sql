with

source as (
    select * from {{ source('operational', 'destination_fields') }}
)

select
    tenant_id,
    destination_id,
    JSONExtractString(left_out_field, 'field') as field,
    JSONExtractString(left_out_field, 'reason') as reason
from source
array join JSONExtractArrayRaw(left_out) as left_out_field
where
    source.mirrored_at = (select max(mirrored_at) from source)
    and tenant_id != ''
limit 1 by tenant_id, destination_id, field
