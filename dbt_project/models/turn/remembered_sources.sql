{#- Where these arrivals came from. Reads the remembered touches, the rules of all tenants and the seeds. -#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'lead_id']) }}

with

ruled_touches as (
    select
        touches.*,
        rules.own_hosts as own_hosts,
        rules.excluded_referrers as excluded_referrers,
        rules.channel_rules as channel_rules
    from {{ ref('remembered_touches') }} as touches
    left join {{ ref('tenant_rules') }} as rules on touches.tenant_id = rules.tenant_id
),

{{ classify_touches('ruled_touches') }}

select
    tenant_id,
    lead_id,
    tracking_id,
    origin,
    concat(origin, ':', tracking_id, ':', toString(toUnixTimestamp64Milli(touch_at))) as touch_id,
    '' as session_id,
    touch_at,
    cutQueryStringAndFragment(touch_landing_url) as landing_page,
    touch_referrer as referrer,
    source,
    medium,
    campaign,
    campaign_ids,
    touch_params['utm_term'] as term,
    touch_params['utm_content'] as content,
    channel,
    toBool(is_paid) as is_paid,
    source_rule,
    touch_params['utm_source'] as utm_source,
    touch_params['utm_medium'] as utm_medium,
    touch_params['utm_campaign'] as utm_campaign,
    {{ click_id_map('touch_params') }} as click_ids
from classified
