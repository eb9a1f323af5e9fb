{#- Reads every snapshot of the rates: one for each time that any of them was changed. -#}
with

snapshots as (
    select
        mirrored_at,
        leadInFrame(mirrored_at, 1, toDateTime64('2105-12-31', 6, 'UTC'))
            over (order by mirrored_at rows between unbounded preceding and unbounded following) as known_until
    from (select distinct mirrored_at from {{ source('operational', 'tenant_rates') }})
)

select
    rates.tenant_id as tenant_id,
    rates.currency as currency,
    toDateOrZero(rates.from_date) as from_date,
    toDecimal128OrZero(rates.rate, 8) as rate,
    toDateTime64(rates.mirrored_at, 3, 'UTC') as known_from,
    toDateTime64(snapshots.known_until, 3, 'UTC') as known_until
from {{ source('operational', 'tenant_rates') }} as rates
inner join snapshots on rates.mirrored_at = snapshots.mirrored_at
where rates.tenant_id != ''
limit 1 by tenant_id, currency, from_date, known_from
