with

source as (
    select * from {{ source('operational', 'chat_members') }}
)

select
    tenant_id,
    kind,
    -- As names are compared: the rules', the agents', the teams'.
    lowerUTF8(trim(source.name)) as name_key,
    source.most_open as most_open,
    toDateOrZero(source.away_from) as away_from,
    toDateOrZero(source.away_until) as away_until
from source
where
    mirrored_at = (select max(mirrored_at) from source)
    and tenant_id != ''
limit 1 by tenant_id, kind, name_key
