{#- A view: reads the tenant's ad spend by day. -#}
{{ config(materialized='view') }}

with

days as (
    select * from {{ ref('stg_spend__days') }}
),

campaigns as (
    select
        tenant_id,
        platform,
        account_id,
        campaign_id,
        argMax((days.campaign, days.account_name, days.time_zone), (date, days.loaded_at)) as newest,
        min(date) as first_date,
        max(date) as last_date,
        arraySort(groupUniqArray((date, {{ folded('campaign_of_day') }}, campaign_of_day))) as names_of_days
    from days
    group by tenant_id, platform, account_id, campaign_id
),

-- The days from which it had another name than before.
renamed as (
    select
        *,
        arrayFilter(
            (name, place) -> place = 1 or name.2 != names_of_days[place - 1].2, names_of_days, arrayEnumerate(names_of_days)
        ) as renamings
    from campaigns
)

select
    tenant_id,
    platform,
    account_id,
    newest.2 as account_name,
    campaign_id,
    newest.1 as campaign,
    arrayFilter(name -> name != newest.1, arrayDistinct(arrayMap(renaming -> renaming.3, renamings))) as earlier_names,
    newest.3 as time_zone,
    first_date,
    last_date,
    arrayMap(
        (renaming, place) -> (
            renaming.2, renaming.1, if(place < length(renamings), renamings[place + 1].1, toDate('2149-06-06'))
        ),
        renamings,
        arrayEnumerate(renamings)
    ) as names
from renamed
