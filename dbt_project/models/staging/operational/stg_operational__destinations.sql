with

source as (
    select * from {{ source('operational', 'destinations') }}
)

select
    tenant_id,
    destination_id,
    kind as destination_kind,
    name as destination_name,
    configuration,
    is_enabled
from source
where mirrored_at = (select max(mirrored_at) from source)
limit 1 by tenant_id, destination_id
