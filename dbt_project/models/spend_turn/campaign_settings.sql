{#- Reads the settings of all tenants, as they were mirrored last. -#}
-- depends_on: {{ ref('campaign_turn') }}
{{ campaign_table(['tenant_id']) }}

with

rates as (
    select tenant_id, groupBitXor(cityHash64(currency, from_date, rate)) as digest
    from {{ ref('stg_operational__tenant_rates') }}
    group by tenant_id
),

stages as (
    select tenant_id, groupBitXor(cityHash64(destination_id, pipeline_id, stage_id, stage)) as digest
    from {{ ref('stg_operational__deal_stages') }}
    group by tenant_id
),

aliases as (
    select tenant_id, groupBitXor(cityHash64(platform, alias, account_id, campaign_id)) as digest
    from {{ ref('stg_operational__campaign_aliases') }}
    group by tenant_id
),

computed as (
    select
        tenants.tenant_id as tenant_id,
        cityHash64(tenants.currency, tenants.time_zone, rates.digest, stages.digest, aliases.digest) as digest
    from {{ ref('tenant_rules') }} as tenants
    left join rates on tenants.tenant_id = rates.tenant_id
    left join stages on tenants.tenant_id = stages.tenant_id
    left join aliases on tenants.tenant_id = aliases.tenant_id
)

{{ versions('computed', '(select * from ' ~ this ~ ')', ['tenant_id'], compared_by='digest', number=campaign_turn()) }}
