with

tenants as (
    select * from {{ ref('stg_operational__tenants') }}
),

hosts as (
    select
        tenant_id,
        arraySort(groupUniqArray(host)) as own_hosts
    from {{ ref('stg_operational__tenant_hosts') }}
    group by tenant_id
)

select
    tenants.tenant_id as tenant_id,
    tenants.name as name,
    tenants.time_zone as time_zone,
    tenants.currency as currency,
    -- Pages that wait hold back what the visitor did not ask for; what leaves without their word is as if denied.
    if(tenants.consent_default = 'wait', 'denied', tenants.consent_default) as consent_default,
    tenants.is_active as is_active,
    hosts.own_hosts as own_hosts,
    tenants.excluded_referrers as excluded_referrers,
    tenants.channel_rules as channel_rules
from tenants
left join hosts on tenants.tenant_id = hosts.tenant_id
