with

source as (
    select * from {{ source('operational', 'tenant_rates') }}
)

select
    tenant_id,
    currency,
    toDateOrZero(source.from_date) as from_date,
    toDecimal128OrZero(source.rate, 8) as rate
from source
where
    source.mirrored_at = (select max(mirrored_at) from source)
    and tenant_id != ''
limit 1 by tenant_id, currency, from_date
