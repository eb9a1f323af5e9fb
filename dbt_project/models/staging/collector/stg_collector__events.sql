with

source as (
    select * from {{ source('collector', 'events') }}
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
    -- One parse of the payload for every field of the event contract; objects asked for as String stay JSON.
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
    ) as event,
    toInt32(schema_version) as schema_version,
    trace_id,
    cityHash64(payload, host, ip, user_agent, coalesce(toUnixTimestamp64Milli(sent_at), 0)) as copy_hash
from source
