with

source as (
    select * from {{ source('operational', 'tenants') }}
)

select
    tenant_id,
    name,
    timezone as time_zone,
    default_region,
    currency,
    consent_default,
    is_active
from source
where mirrored_at = (select max(mirrored_at) from source)
limit 1 by tenant_id
