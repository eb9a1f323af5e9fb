with

failures as (
    select * from {{ ref('stg_operational__live_failures') }}
),

tenants as (
    select tenant_id from {{ ref('stg_operational__tenants') }}
    where tenant_id != ''
)

-- Everybody sees that a step fails; whose event it is because of, and what was said of it, that tenant alone.
select
    tenants.tenant_id as tenant_id,
    failures.step as step,
    failures.failing_since as failing_since,
    failures.culprit_tenant_id = tenants.tenant_id as is_own,
    if(is_own, failures.event_id, '') as event_id,
    if(is_own, failures.message, '') as message,
    dateDiff('second', failures.failing_since, now64(3)) as failing_seconds
from tenants
cross join failures
