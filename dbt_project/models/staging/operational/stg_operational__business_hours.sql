{#-
  One row per tenant: when it is open, in its time zone. `weekly` is by day of the week, 1 is Monday; a day in
  `closed_dates` is closed, one in `special_days` is open at those times alone. Reads the newest snapshot.
-#}
with

source as (
    select * from {{ source('operational', 'business_hours') }}
)

select
    tenant_id,
    {%- set days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] %}
    cast(map(
        {%- for day in days %}
        {{ loop.index }}, JSONExtract(source.weekly, '{{ day }}', 'Array(Tuple(String, String))')
        {{- ',' if not loop.last }}
        {%- endfor %}
    ), 'Map(UInt8, Array(Tuple(String, String)))') as weekly,
    arrayMap(each -> toDateOrZero(each), JSONExtract(source.closed_dates, 'Array(String)')) as closed_dates,
    arrayMap(
        each -> (toDateOrZero(each.date), each.intervals),
        JSONExtract(source.special_days, 'Array(Tuple(date String, intervals Array(Tuple(String, String))))')
    ) as special_days
from source
where
    source.mirrored_at = (select max(mirrored_at) from source)
    and tenant_id != ''
limit 1 by tenant_id
