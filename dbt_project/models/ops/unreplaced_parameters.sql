{#- A view: reads of the tenant's arrivals that are in no campaign those of the last 30 days. -#}
select
    tenant_id,
    platform,
    landing_page,
    {{ unstated_reason('utm_campaign') }} as reason,
    utm_campaign as value,
    sum(arrivals.visits) as visits,
    max(arrivals.last_at) as last_started_at
from {{ ref('unjoined_arrivals') }} as arrivals
where date > today() - {{ var('set_aside_days') }} and arrivals.visits > 0 and {{ unstated_reason('utm_campaign') }} != ''
group by tenant_id, platform, landing_page, reason, value
