{#-
  When each tenant is open, for business seconds: `weekly` has the intervals of Monday to Sunday, `special_days` those of days
  that are otherwise, none when it is closed. Intervals are seconds of the local day, days are counted from 1970-01-01.
-#}
{%- set as_seconds -%}
    arrayMap(
        open -> (
            toUInt32OrZero(substring(open.1, 1, 2)) * 3600 + toUInt32OrZero(substring(open.1, 4, 2)) * 60,
            toUInt32OrZero(substring(open.2, 1, 2)) * 3600 + toUInt32OrZero(substring(open.2, 4, 2)) * 60
        ),
        intervals
    )
{%- endset %}

with

tenants as (
    select * from {{ ref('stg_operational__tenants') }}
    where tenant_id != ''
),

hours as (
    select
        tenant_id,
        arrayMap(
            intervals -> {{ as_seconds }}, arrayMap(day -> hours.weekly[toUInt8(day)], range(1, 8))
        ) as weekly,
        -- A day that is open at other times may be a public holiday as well.
        arrayConcat(
            arrayMap(
                (day, intervals) -> (day, {{ as_seconds }}),
                arrayMap(each -> toInt32(each.1), hours.special_days),
                arrayMap(each -> each.2, hours.special_days)
            ),
            arrayMap(
                day -> (toInt32(day), []),
                arrayFilter(day -> not has(arrayMap(each -> each.1, hours.special_days), day), hours.closed_dates)
            )
        ) as special_days
    from {{ ref('stg_operational__business_hours') }} as hours
)

select
    tenants.tenant_id as tenant_id,
    tenants.time_zone as time_zone,
    cast(if(hours.tenant_id = '', {{ default_hours() }}, hours.weekly), 'Array(Array(Tuple(UInt32, UInt32)))') as weekly,
    cast(hours.special_days, 'Array(Tuple(Int32, Array(Tuple(UInt32, UInt32))))') as special_days
from tenants
left join hours on tenants.tenant_id = hours.tenant_id
