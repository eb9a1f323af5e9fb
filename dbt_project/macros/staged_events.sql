{#-
  The border of the warehouse: whatever a sender wrote leaves here as valid, bounded text, numbers and times, and the
  models behind rely on it. What could not be read is in `set_aside`, one (field, reason, value) for each.

  `received` are rows of raw.events.
-#}
{% macro staged_events(received) -%}
{%- set texts = [
    ('page_url', 'page.url', 8192),
    ('page_title', 'page.title', 2048),
    ('page_referrer', 'page.referrer', 8192),
    ('last_landing_url', 'touch.last.landing_url', 8192),
    ('last_referrer', 'touch.last.referrer', 8192),
    ('language', 'context.language', 2048),
    ('browser_time_zone', 'context.time_zone', 2048),
    ('screen', 'context.screen', 2048),
    ('viewport', 'context.viewport', 2048),
    ('script_version', 'context.script_version', 2048),
    ('name', 'user.name', 2048),
    ('external_id', 'user.external_id', 2048),
    ('company', 'properties.company', 2048),
    ('conversion_name', 'properties.name', 2048),
] -%}
{#- A field, what was said, and why it is set aside: '' when it is not. -#}
{%- set judged = [
    ('payload', 'payload', "if(event.event_id = '', 'not_json', '')"),
    ('payload', 'payload', "if(readable_payload != payload, 'invalid_text', '')"),
    ('page.url', 'page_url', "if(not has_touch and " ~ has_unreadable_escape('page_url') ~ ", 'unreadable_escape', '')"),
    ('touch.last.at', 'event.touch.last.at', time_reason('event.touch.last.at', 'last_touch_said_at')),
    ('touch.first.at', 'first_touch_time', time_reason('first_touch_time', 'first_touch_said_at')),
    (
        'touch.last_non_direct.at',
        'last_non_direct_touch_time',
        time_reason('last_non_direct_touch_time', 'last_non_direct_touch_said_at')
    ),
    ('properties.value', 'said_revenue', amount_reason('said_revenue', 'revenue_number', 'revenue')),
    (
        'properties.currency',
        'said_currency',
        "if(event_name = 'conversion' and said_currency != '' and currency = '', 'not_a_currency', '')"
    ),
] -%}
{%- set contract_names = utm_names() + click_id_names() -%}

with

source as (
    select * from {{ received }}
),

parsed as (
    select
        *,
        {{ readable_json('payload') }} as readable_payload,
        -- One parse of the payload for every field of the event contract; objects asked for as String stay JSON.
        JSONExtract(
            readable_payload,
            'Tuple(
                event_id String,
                page Tuple(url String, title String, referrer String),
                touch Tuple(
                    first String,
                    last Tuple(at String, landing_url String, referrer String, params Map(String, String), cookies Map(String, String)),
                    last_non_direct String
                ),
                context Tuple(language String, time_zone String, screen String, viewport String, script_version String),
                user Tuple(name String, external_id String),
                consent Tuple(purposes Map(String, Bool)),
                properties String
            )'
        ) as event
    from source
),

bounded as (
    select
        *,
        {%- for column, path, most in texts %}
        {{ bounded_text(said_at(path), most) }} as {{ column }},
        {%- endfor %}
        -- An event sent without a touch (by a server, by an old script) came from where its own page's address says.
        last_landing_url != '' as has_touch,
        if(
            has_touch,
            {{ bounded_map('event.touch.last.params', contract_names) }},
            {{ bounded_map(url_parameters('page_url'), contract_names) }}
        ) as touch_params,
        if(startsWith(event.touch.first, '{'), event.touch.first, '') as first_touch,
        if(startsWith(event.touch.last_non_direct, '{'), event.touch.last_non_direct, '') as last_non_direct_touch,
        JSONExtractString(first_touch, 'at') as first_touch_time,
        JSONExtractString(last_non_direct_touch, 'at') as last_non_direct_touch_time,
        if(event_name = 'conversion', {{ first_said('event.properties', ['value', 'revenue']) }}, '') as said_revenue,
        JSONExtractString(event.properties, 'currency') as said_currency,
        if(event_name = 'conversion', {{ first_said('event.properties', ['order_id', 'transaction_id']) }}, '') as said_order_id
    from parsed
),

typed as (
    select
        *,
        {{ bounded_time('event.touch.last.at') }} as last_touch_said_at,
        {{ bounded_time('first_touch_time') }} as first_touch_said_at,
        {{ bounded_time('last_non_direct_touch_time') }} as last_non_direct_touch_said_at,
        {{ plain_number('said_revenue') }} as revenue_number,
        {{ bounded_amount('revenue_number') }} as revenue,
        {{ currency_in("if(said_currency = '', JSONExtractString(said_revenue), said_currency)") }} as currency,
        -- A number is its digits, as everywhere; a list or an object names no order.
        if(
            match(said_order_id, '^[\\[{]'),
            '',
            {{ bounded_text("trim(both ' ' from if(startsWith(said_order_id, '\"'), JSONExtractString(said_order_id), said_order_id))", 256) }}
        ) as order_id,
        [
            {%- for _, _, reason in judged %}
            {{ reason }}{{ ',' if not loop.last }}
            {%- endfor %}
        ] as reasons,
        -- In bytes, of which a text has at least as many as characters.
        greatest(
            {%- for column, path, most in texts %}
            length({{ said_at(path) }}){{ ',' if not loop.last }}
            {%- endfor %}
        ) as longest
    from bounded
)

select
    tenant_id,
    event_id,
    event_name,
    tracking_id,
    session_id as client_session_id,
    toDateTime64(occurred_at, 3, 'UTC') as client_occurred_at,
    toDateTime64(sent_at, 3, 'UTC') as client_sent_at,
    toDateTime64(received_at, 3, 'UTC') as received_at,
    toDateTime64(loaded_at, 3, 'UTC') as loaded_at,
    source as sent_by,
    {%- for column in ['host', 'ip', 'user_agent', 'email', 'phone', 'trace_id'] %}
    {{ bounded_text('typed.' ~ column, 2048) }} as {{ column }},
    {%- endfor %}
    arrayMap(
        variant -> {{ bounded_text('variant', 64) }}, JSONExtract({{ readable_json('typed.phone_variants') }}, 'Array(String)')
    ) as phone_variants,
    {%- for column, _, _ in texts if not column.startswith('last_') %}
    {{ column }},
    {%- endfor %}
    if(has_touch, last_landing_url, page_url) as touch_landing_url,
    if(has_touch, last_referrer, page_referrer) as touch_referrer,
    touch_params,
    last_touch_said_at,
    first_touch,
    first_touch_said_at,
    last_non_direct_touch,
    last_non_direct_touch_said_at,
    {{ bounded_map('event.touch.last.cookies', ad_cookie_names()) }} as ad_cookies,
    event.consent.purposes as purposes,
    event.properties as properties,
    revenue,
    currency,
    order_id,
    if(
        -- Hardly ever: the texts are copied then alone.
        notEmpty(arrayStringConcat(reasons)) or longest > {{ texts | map(attribute=2) | min }},
        cast(arrayConcat(
            arrayMap(
                each -> (each.1, each.2, {{ bounded_text('each.3', 200) }}),
                arrayFilter(each -> each.2 != '', arrayZip(
                    ['{{ judged | map(attribute=0) | join("', '") }}'], reasons, [{{ judged | map(attribute=1) | join(', ') }}]
                ))
            ),
            arrayMap(
                each -> (each.1, 'too_long', {{ bounded_text('each.2', 200) }}),
                arrayFilter(each -> lengthUTF8(each.2) > each.3, [
                    {%- for column, path, most in texts %}
                    ('{{ path }}', {{ said_at(path) }}, {{ most }}){{ ',' if not loop.last }}
                    {%- endfor %}
                ])
            )
        ), 'Array(Tuple(String, String, String))'),
        []
    ) as set_aside,
    toInt32(schema_version) as schema_version,
    cityHash64(payload, typed.host, typed.ip, typed.user_agent, coalesce(toUnixTimestamp64Milli(sent_at), 0)) as copy_hash
from typed
{%- endmacro %}
