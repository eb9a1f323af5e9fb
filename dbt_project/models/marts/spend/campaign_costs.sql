{#- A view: reads the tenant's ad spend by day, and its rates. -#}
{{ config(materialized='view') }}

-- The rate of the day, which is the last that was set for that day or one before.
select
    days.tenant_id as tenant_id,
    days.platform as platform,
    days.account_id as account_id,
    days.campaign_id as campaign_id,
    days.date as date,
    days.currency as currency,
    days.cost as cost,
    multiIf(
        days.currency = rules.currency, days.cost,
        rates.rate > 0, toDecimal128(round(days.cost * rates.rate, 2), 2),
        null
    ) as converted_cost,
    days.impressions as impressions,
    days.clicks as clicks
from {{ ref('stg_spend__days') }} as days
left join {{ ref('tenant_rules') }} as rules on days.tenant_id = rules.tenant_id
asof left join {{ ref('stg_operational__tenant_rates') }} as rates
    on days.tenant_id = rates.tenant_id and days.currency = rates.currency and days.date >= rates.from_date
