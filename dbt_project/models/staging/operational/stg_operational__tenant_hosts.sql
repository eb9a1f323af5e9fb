with

source as (
    select * from {{ source('operational', 'tenant_hosts') }}
)

select
    tenant_id,
    replaceRegexpOne(lower(host), '^www\\.', '') as host
from source
where mirrored_at = (select max(mirrored_at) from source)
limit 1 by tenant_id, host
