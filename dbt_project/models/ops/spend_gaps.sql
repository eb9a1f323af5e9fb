{#- A view: reads the last 30 days of the tenant's campaigns, and of what is in none. -#}
{%- set is_recent = 'date > today() - ' ~ var('set_aside_days') %}

with

campaigns as (
    select * from {{ ref('campaigns') }}
    where {{ is_recent }} and model = 'last_non_direct'
),

gaps as (
    select
        tenant_id,
        platform,
        reason,
        campaign,
        visits,
        leads,
        cast(map(), 'Map(String, Decimal(38, 2))') as cost
    from {{ ref('unjoined_campaigns') }}
    where {{ is_recent }}

    union all

    select
        tenant_id,
        platform,
        'cost without a rate' as reason,
        campaign,
        0 as visits,
        0 as leads,
        unconverted_cost as cost
    from campaigns
    where notEmpty(unconverted_cost)

    union all

    select
        campaigns.tenant_id,
        platform,
        'cost without a visit' as reason,
        any(campaigns.campaign) as campaign,
        0 as visits,
        0 as leads,
        map(any(rules.currency), toDecimal128(sum(campaigns.cost), 2)) as cost
    from campaigns
    inner join {{ ref('tenant_rules') }} as rules on campaigns.tenant_id = rules.tenant_id
    group by campaigns.tenant_id, platform, account_id, campaign_id
    having sum(campaigns.cost) > 0 and sum(campaigns.visits) = 0 and sum(campaigns.leads) = 0
)

select
    tenant_id,
    platform,
    reason,
    arraySlice(arraySort(groupUniqArray(campaign)), 1, 5) as campaigns,
    sum(gaps.visits) as visits,
    sum(gaps.leads) as leads,
    cast(sumMap(gaps.cost), 'Map(String, Decimal(38, 2))') as cost
from gaps
group by tenant_id, platform, reason
