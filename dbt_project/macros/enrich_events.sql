{#-
  CTEs from `relation`, rows of stg_collector__events of which no event is there twice, to `enriched`, rows of
  enriched.events.
-#}
{% macro enrich_events(relation) -%}
-- An event sent without a touch (by a server, by an old script) came from where its own page's address says.
corrected as (
    select
        *,
        event.touch.last.landing_url != '' as has_touch,
        if(has_touch, event.touch.last.landing_url, event.page.url) as touch_landing_url,
        if(has_touch, event.touch.last.referrer, event.page.referrer) as touch_referrer,
        if(has_touch, event.touch.last.params, {{ url_parameters('event.page.url') }}) as touch_params,
        {{ corrected_time('client_occurred_at', 'client_sent_at', 'received_at') }} as occurred_at,
        toInt64(toUnixTimestamp64Milli(occurred_at) - toUnixTimestamp64Milli(client_occurred_at)) as clock_shift_ms
    from {{ relation }}
    left join (
        select tenant_id, time_zone, own_hosts from {{ ref('tenant_rules') }}
    ) as rules using (tenant_id)
),

{{ classify_touches('corrected') }},

enriched as (
    select
        tenant_id,
        event_id,
        event_name,
        tracking_id,
        session_id,
        occurred_at,
        {{ tenant_date('occurred_at', known_time_zone('time_zone')) }} as occurred_date,
        received_at,
        loaded_at,
        clock_shift_ms,
        sent_by,
        event.page.url as page_url,
        lower(domain(page_url)) as page_host,
        path(page_url) as page_path,
        event.page.title as page_title,
        event.page.referrer as page_referrer,
        {{ bare_host('page_referrer') }} as referrer_host,
        {{ shifted_time('event.touch.last.at', 'clock_shift_ms', 'received_at') }} as touch_at,
        touch_landing_url as landing_url,
        touch_referrer,
        {% for name in utm_names() + click_id_names() -%}
        touch_params['{{ name }}'] as {{ name }},
        {% endfor -%}
        event.touch.last.cookies as ad_cookies,
        source,
        medium,
        campaign,
        source_category,
        channel,
        toBool(is_paid) as is_paid,
        toBool(has_source_conflict) as has_source_conflict,
        source_rule,
        if(startsWith(event.touch.first, '{'), event.touch.first, '') as first_touch,
        {{ shifted_time("JSONExtractString(event.touch.first, 'at')", 'clock_shift_ms', 'received_at') }} as first_touch_at,
        if(startsWith(event.touch.last_non_direct, '{'), event.touch.last_non_direct, '') as last_non_direct_touch,
        {{ shifted_time("JSONExtractString(event.touch.last_non_direct, 'at')", 'clock_shift_ms', 'received_at') }}
            as last_non_direct_touch_at,
        event.context.language as language,
        event.context.time_zone as browser_time_zone,
        event.context.screen as screen,
        event.context.viewport as viewport,
        event.context.script_version as script_version,
        user_agent,
        {{ user_agent_value('device', 'user_agent') }} as device_type,
        {{ user_agent_value('browser', 'user_agent') }} as browser,
        {{ user_agent_value('os', 'user_agent') }} as os,
        toBool(bot_reason != '') as is_bot,
        multiIf(
            sent_by = 'server', '',
            user_agent = '', 'no_user_agent',
            {{ user_agent_value('bot', 'user_agent') }}
        ) as bot_reason,
        country,
        '' as region,
        ip,
        lower(hex(sipHash128(tenant_id, ip, user_agent, event.context.language, event.context.screen, event.context.time_zone)))
            as visitor_fingerprint,
        event.user.name as name,
        email,
        phone,
        phone_variants,
        event.user.external_id as external_id,
        {{ consent_state('analytics') }} as analytics_consent,
        {{ consent_state('marketing') }} as marketing_consent,
        event.properties as properties,
        schema_version,
        trace_id,
        {{ rules_version('own_hosts', known_time_zone('time_zone')) }} as rules_version,
        copy_hash
    from classified
    left join (
        select time_zone as browser_time_zone, country from {{ ref('time_zones') }}
    ) as countries on classified.event.context.time_zone = countries.browser_time_zone
)
{%- endmacro %}
