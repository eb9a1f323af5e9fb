with

source as (
    select * from {{ source('operational', 'chat_settings') }}
)

select
    tenant_id,
    keeps_texts,
    toUInt32(first_response_minutes) as first_response_minutes,
    toBool(coalesce(covers_absence, false)) as covers_absence,
    toUInt32(coalesce(cover_after_minutes, 0)) as cover_after_minutes
from source
where
    mirrored_at = (select max(mirrored_at) from source)
    and tenant_id != ''
limit 1 by tenant_id
