{#- A view: reads every load of the tenant's ad spend. -#}
with

-- A campaign of a file without ids is known by its name.
source as (
    select
        *,
        if(campaign_id != '', campaign_id, concat('name:', {{ folded('campaign_name') }})) as campaign_key
    from {{ source('spend', 'ad_spend') }}
),

-- Of a campaign's day the newest load counts, with all currencies that it has. Platforms give every day the name of now, so
-- the name of a day is that of the load which was first to have it.
newest as (
    select
        *,
        argMin(source.campaign_name, (loaded_at, load_id)) over versions as name_of_day
    from source
    window
        versions as (
            partition by tenant_id, platform, account_id, campaign_key, spend_date
            rows between unbounded preceding and unbounded following
        )
    qualify (loaded_at, load_id) = max((loaded_at, load_id)) over versions
)

select
    tenant_id,
    platform,
    account_id,
    campaign_key as campaign_id,
    toDateOrZero(newest.spend_date) as date,
    currency,
    any(newest.account_name) as account_name,
    if(any(newest.account_zone) in (select time_zone from system.time_zones), any(newest.account_zone), 'UTC') as time_zone,
    any(newest.campaign_name) as campaign,
    any(newest.name_of_day) as campaign_of_day,
    toDecimal128(sum(toDecimal128OrZero(newest.cost, 6)), 2) as cost,
    toUInt64(sum(newest.impressions)) as impressions,
    toUInt64(sum(newest.clicks)) as clicks,
    toDateTime64(max(newest.loaded_at), 3, 'UTC') as loaded_at
from newest
group by tenant_id, platform, account_id, campaign_key, date, currency
