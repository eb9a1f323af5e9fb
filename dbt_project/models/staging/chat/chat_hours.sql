{#-
  When each tenant is open, for business seconds: `weekly` has the intervals of Monday to Sunday, `special_days` those of days
  that are otherwise, none when it is closed. Intervals are seconds of the local day, days are counted from 1970-01-01.
-#}
with

tenants as (
    select * from {{ ref('stg_operational__tenants') }}
    where tenant_id != ''
)

select
    tenant_id,
    time_zone,
    {{ default_hours() }} as weekly,
    cast([], 'Array(Tuple(Int32, Array(Tuple(UInt32, UInt32))))') as special_days
from tenants
