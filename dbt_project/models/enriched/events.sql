{#-
  Incremental by insert_overwrite of UTC days. A run reads the raw rows loaded since the newest known row (and all rows
  of a tenant whose rules_version changed), and writes whole the days they touch: the fresh rows, plus the rows of
  those days that nothing fresh concerns. docs/decisions/0005 has the argument why this equals a full refresh.
-#}
{{ config(
    tags=['hot'],
    materialized='incremental',
    incremental_strategy='insert_overwrite',
    engine='MergeTree()',
    partition_by='toYYYYMMDD(occurred_at)',
    order_by=['tenant_id', 'tracking_id', 'occurred_at', 'event_id'],
    query_settings={'max_partitions_per_insert_block': 0},
    post_hook="{{ drop_superseded_copies() }}",
) }}

{%- set changed_tenants = tenants_with_changed_rules() if is_incremental() else [] -%}
{%- set changed_tenants_sql = "tenant_id in ('" ~ changed_tenants | join("', '") ~ "')" -%}
{%- set key = 'tenant_id, event_id' -%}
{%- set best_copy_first = 'received_at, copy_hash, loaded_at' %}

with

raw_rows as (
    select * from {{ ref('stg_collector__events') }}
    {% if is_incremental() %}
    where
        loaded_at > (select max(loaded_at) from {{ this }}) - toIntervalMinute({{ var('load_overlap_minutes') }})
        {% if changed_tenants %}or {{ changed_tenants_sql }}{% endif %}
    {% endif %}
),

fresh_rows as (
    select * from raw_rows
    order by {{ best_copy_first }}
    limit 1 by {{ key }}
),

tenant_rules as (
    select * from {{ ref('tenant_rules') }}
),

corrected as (
    select
        fresh_rows.*,
        tenant_rules.own_hosts as own_hosts,
        {{ known_time_zone('tenant_rules.time_zone') }} as tenant_time_zone,
        {{ corrected_time('client_occurred_at', 'client_sent_at', 'received_at') }} as occurred_at,
        toInt64(toUnixTimestamp64Milli(occurred_at) - toUnixTimestamp64Milli(client_occurred_at)) as clock_shift_ms
    from fresh_rows
    left join tenant_rules using (tenant_id)
),

-- An event sent without a touch (a server, an old script) came from where its own page's address says.
touched as (
    select
        * replace (
            if(has_touch, touch_landing_url, page_url) as touch_landing_url,
            if(has_touch, touch_referrer, page_referrer) as touch_referrer,
            if(has_touch, touch_params, {{ url_parameters('page_url') }}) as touch_params
        ),
        parseDateTime64BestEffortOrNull(touch_at, 3, 'UTC') as client_touch_at,
        parseDateTime64BestEffortOrNull(JSONExtractString(first_touch, 'at'), 3, 'UTC') as client_first_touch_at,
        parseDateTime64BestEffortOrNull(JSONExtractString(last_non_direct_touch, 'at'), 3, 'UTC') as client_last_non_direct_touch_at
    from (select *, touch_landing_url != '' as has_touch from corrected)
),

{{ classify_touches('touched') }},

described as (
    select
        *,
        {{ user_agent_value('bot', 'user_agent') }} as user_agent_bot,
        multiIf(
            sent_by = 'server', '',
            user_agent = '', 'no_user_agent',
            user_agent_bot
        ) as found_bot_reason
    from classified
),

enriched as (
    select
        tenant_id,
        event_id,
        event_name,
        tracking_id,
        session_id,
        occurred_at,
        {{ tenant_date('occurred_at', 'tenant_time_zone') }} as occurred_date,
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
        {{ shifted_time('client_touch_at', 'clock_shift_ms', 'received_at') }} as touch_at,
        touch_landing_url as landing_url,
        touch_referrer,
        {% for name in utm_names() + click_id_names() -%}
        {{ name }},
        {% endfor -%}
        ad_cookies,
        source,
        medium,
        campaign,
        source_category,
        channel,
        toBool(is_paid) as is_paid,
        toBool(has_source_conflict) as has_source_conflict,
        source_rule,
        first_touch,
        {{ shifted_time('client_first_touch_at', 'clock_shift_ms', 'received_at') }} as first_touch_at,
        last_non_direct_touch,
        {{ shifted_time('client_last_non_direct_touch_at', 'clock_shift_ms', 'received_at') }} as last_non_direct_touch_at,
        language,
        browser_time_zone,
        screen,
        viewport,
        script_version,
        user_agent,
        if(user_agent = '', '', coalesce(nullIf({{ user_agent_value('device', 'user_agent') }}, ''), 'other')) as device_type,
        {{ user_agent_value('browser', 'user_agent') }} as browser,
        {{ user_agent_value('os', 'user_agent') }} as os,
        found_bot_reason != '' as is_bot,
        found_bot_reason as bot_reason,
        {{ lookup('browser_time_zone', ref('time_zones'), 'time_zone', 'country') }} as country,
        '' as region,
        ip,
        lower(hex(sipHash128(tenant_id, ip, user_agent, language, screen, browser_time_zone))) as visitor_fingerprint,
        name,
        email,
        phone,
        phone_variants,
        external_id,
        {{ consent_state('analytics') }} as analytics_consent,
        {{ consent_state('marketing') }} as marketing_consent,
        properties,
        schema_version,
        trace_id,
        {{ rules_version('own_hosts', 'tenant_time_zone') }} as rules_version,
        copy_hash
    from described
)

{%- if not is_incremental() %}

select * from enriched

{%- else %},

known_events as (
    select * from {{ this }}
    {% if changed_tenants %}where not {{ changed_tenants_sql }}{% endif %}
),

fresh_keys as (
    select {{ key }} from raw_rows
),

known_copies as (
    select * from known_events
    where ({{ key }}) in (select {{ key }} from fresh_keys)
),

touched_days as (
    select toYYYYMMDD({{ corrected_time('client_occurred_at', 'client_sent_at', 'received_at') }}) as day from fresh_rows
    union distinct
    select toYYYYMMDD(occurred_at) as day from known_copies
),

winners as (
    select * from (
        select * from enriched
        union all
        select * from known_copies
    )
    order by {{ best_copy_first }}
    limit 1 by {{ key }}
)

select * from winners
union all
select * from known_events
where
    toYYYYMMDD(occurred_at) in (select day from touched_days)
    and ({{ key }}) not in (select {{ key }} from fresh_keys)
{%- endif %}
