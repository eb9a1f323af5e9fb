{#- Reads in a turn all spend of the tenants of which some was loaded since the last one. -#}
-- depends_on: {{ ref('campaign_turn') }}
{{ campaign_table(['tenant_id', 'platform', 'account_id', 'campaign_id']) }}

{%- set is_affected = 'true' %}
{%- if is_incremental() %}
{%- set is_affected -%}
tenant_id in (select distinct tenant_id from {{ source('spend', 'ad_spend') }} where loaded_at > {{ campaign_news_from() }})
{%- endset %}
{%- endif %}

with

days as (
    select * from {{ ref('stg_spend__days') }}
    where {{ is_affected }}
),

campaigns as (
    select
        tenant_id,
        platform,
        account_id,
        campaign_id,
        argMax((days.campaign, days.account_name, days.time_zone), (date, days.loaded_at)) as newest,
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
),

computed as (
    select
        tenant_id,
        platform,
        account_id,
        newest.2 as account_name,
        campaign_id,
        newest.1 as campaign,
        arrayFilter(name -> name != newest.1, arrayDistinct(arrayMap(renaming -> renaming.3, renamings))) as earlier_names,
        newest.3 as time_zone,
        arrayMap(
            (renaming, place) -> (
                renaming.2, renaming.1, if(place < length(renamings), renamings[place + 1].1, toDate('2149-06-06'))
            ),
            renamings,
            arrayEnumerate(renamings)
        ) as names,
        cityHash64(newest, earlier_names, names) as digest
    from renamed
)

{{ versions(
    'computed',
    '(select * from ' ~ this ~ ' where ' ~ is_affected ~ ')',
    ['tenant_id', 'platform', 'account_id', 'campaign_id'],
    compared_by='digest',
    number=campaign_turn()
) }}
