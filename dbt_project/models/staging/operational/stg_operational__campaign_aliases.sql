with

source as (
    select * from {{ source('operational', 'campaign_aliases') }}
)

select
    tenant_id,
    platform,
    {{ folded('source.alias') }} as alias,
    account_id,
    campaign_id
from source
where
    source.mirrored_at = (select max(mirrored_at) from source)
    and tenant_id != ''
limit 1 by tenant_id, platform, alias
