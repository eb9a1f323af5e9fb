with

source as (
    select * from {{ source('operational', 'destinations') }}
)

select
    tenant_id,
    destination_id,
    kind as destination_kind,
    {{ bounded_text('source.name', 2048) }} as destination_name,
    if(isValidJSON(source.configuration), source.configuration, '{}') as configuration,
    is_enabled,
    cast(if(
        destination_id = '' or isValidJSON(source.configuration), [],
        [('configuration', 'not_json', {{ bounded_text('source.configuration', 200) }})]
    ), 'Array(Tuple(String, String, String))') as set_aside,
    toDateTime64(mirrored_at, 3, 'UTC') as mirrored_at
from source
where source.mirrored_at = (select max(mirrored_at) from source)
limit 1 by tenant_id, destination_id
