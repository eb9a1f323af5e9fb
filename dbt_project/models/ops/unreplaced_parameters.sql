{#- A view: reads of the tenant's sessions those of the last 30 days whose campaign counts as none. -#}
with

visits as (
    select
        *,
        {{ unstated_reason('utm_campaign') }} as why
    from {{ ref('campaign_visits') }}
    where started_at > now() - toIntervalDay({{ var('set_aside_days') }}) and utm_campaign != ''
)

select
    tenant_id,
    platform,
    landing_page,
    why as reason,
    utm_campaign as value,
    count() as visits,
    max(started_at) as last_started_at
from visits
where why != ''
group by tenant_id, platform, landing_page, reason, value
