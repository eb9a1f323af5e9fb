{#-
  CTEs from `relation`, rows of stg_collector__events of which no event is there twice, to `enriched`, rows of
  enriched.events with the columns `kept` of the relation.
-#}
{% macro enrich_events(relation, kept=[]) -%}
corrected as (
    select
        *,
        {{ corrected_time('client_occurred_at', 'client_sent_at', 'received_at') }} as occurred_at,
        toInt64(toUnixTimestamp64Milli(occurred_at) - toUnixTimestamp64Milli(client_occurred_at)) as clock_shift_ms
    from {{ relation }} as staged
    left join (
        select tenant_id, time_zone, own_hosts, excluded_referrers, channel_rules from {{ ref('tenant_rules') }}
    ) as rules using (tenant_id)
),

{{ classify_touches('corrected') }},

enriched as (
    select
        tenant_id,
        event_id,
        event_name,
        tracking_id,
        client_session_id,
        occurred_at,
        {{ tenant_date('occurred_at', known_time_zone('time_zone')) }} as occurred_date,
        received_at,
        loaded_at,
        clock_shift_ms,
        sent_by,
        page_url,
        lower(domain(page_url)) as page_host,
        path(page_url) as page_path,
        page_title,
        page_referrer,
        {{ bare_host('page_referrer') }} as referrer_host,
        {{ shifted_time('last_touch_said_at', 'clock_shift_ms', 'occurred_at') }} as touch_at,
        touch_landing_url as landing_url,
        touch_referrer,
        {% for name in utm_names() + click_id_names() -%}
        touch_params['{{ name }}'] as {{ name }},
        {% endfor -%}
        {{ arrival_key() }} as arrival_key,
        ad_cookies,
        source,
        medium,
        campaign,
        campaign_ids,
        source_category,
        channel,
        toBool(is_paid) as is_paid,
        toBool(has_source_conflict) as has_source_conflict,
        source_rule,
        first_touch,
        {{ shifted_time('first_touch_said_at', 'clock_shift_ms', 'occurred_at') }} as first_touch_at,
        last_non_direct_touch,
        {{ shifted_time('last_non_direct_touch_said_at', 'clock_shift_ms', 'occurred_at') }}
            as last_non_direct_touch_at,
        language,
        browser_time_zone,
        screen,
        viewport,
        script_version,
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
        ip,
        lower(hex(sipHash128(tenant_id, ip, user_agent, language, screen, browser_time_zone)))
            as visitor_fingerprint,
        name,
        email,
        phone,
        phone_variants,
        external_id,
        {{ consent_state('analytics') }} as analytics_consent,
        {{ consent_state('marketing') }} as marketing_consent,
        coalesce(nullIf({{ consent_state('ads') }}, ''), marketing_consent) as ads_consent,
        properties,
        company,
        conversion_name,
        revenue,
        currency,
        order_id,
        set_aside,
        schema_version,
        trace_id,
        {{ rules_version() }} as rules_version,
        copy_hash
        {%- for column in kept %},
        {{ column }}
        {%- endfor %}
    from classified
    left join (
        select time_zone as browser_time_zone, country from {{ ref('time_zones') }}
    ) as countries using (browser_time_zone)
)
{%- endmacro %}
