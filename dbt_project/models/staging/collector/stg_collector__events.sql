with

source as (
    select * from {{ source('collector', 'events') }}
),

-- One parse of the payload for every field of the event contract; objects asked for as String stay JSON.
parsed as (
    select
        *,
        JSONExtract(
            payload,
            'Tuple(
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
)

select
    tenant_id,
    event_id,
    event_name,
    tracking_id,
    session_id,
    toDateTime64(occurred_at, 3, 'UTC') as client_occurred_at,
    toDateTime64(sent_at, 3, 'UTC') as client_sent_at,
    toDateTime64(received_at, 3, 'UTC') as received_at,
    toDateTime64(loaded_at, 3, 'UTC') as loaded_at,
    source as sent_by,
    host,
    ip,
    user_agent,
    email,
    phone,
    JSONExtract(phone_variants, 'Array(String)') as phone_variants,
    event.user.name as name,
    event.user.external_id as external_id,
    event.page.url as page_url,
    event.page.title as page_title,
    event.page.referrer as page_referrer,
    if(startsWith(event.touch.first, '{'), event.touch.first, '') as first_touch,
    event.touch.last.at as touch_at,
    event.touch.last.landing_url as touch_landing_url,
    event.touch.last.referrer as touch_referrer,
    event.touch.last.params as touch_params,
    event.touch.last.cookies as ad_cookies,
    if(startsWith(event.touch.last_non_direct, '{'), event.touch.last_non_direct, '') as last_non_direct_touch,
    event.context.language as language,
    event.context.time_zone as browser_time_zone,
    event.context.screen as screen,
    event.context.viewport as viewport,
    event.context.script_version as script_version,
    event.consent.purposes as consent_purposes,
    event.properties as properties,
    toInt32(schema_version) as schema_version,
    trace_id,
    cityHash64(payload, host, ip, user_agent, coalesce(toUnixTimestamp64Milli(sent_at), 0)) as copy_hash
from parsed
