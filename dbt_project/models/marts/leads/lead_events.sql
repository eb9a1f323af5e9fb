{{ config(tags=['console'], order_by=['tenant_id', 'lead_id', 'occurred_at', 'event_id']) }}

with

visitors as (
    select
        tenant_id,
        lead_id,
        value as tracking_id
    from {{ ref('identities') }}
    where kind = 'tracking_id'
),

events as (
    select * from {{ ref('events') }}
    where (tenant_id, tracking_id) in (select tenant_id, tracking_id from visitors)
),

sessions as (
    select * from {{ ref('sessions') }}
    where (tenant_id, tracking_id) in (select tenant_id, tracking_id from visitors)
)

select
    events.tenant_id as tenant_id,
    visitors.lead_id as lead_id,
    events.event_id as event_id,
    events.event_name as event_name,
    events.tracking_id as tracking_id,
    sessions.session_id as session_id,
    events.occurred_at as occurred_at,
    events.received_at as received_at,
    events.sent_by as sent_by,
    events.page_url as page_url,
    events.page_path as page_path,
    events.page_title as page_title,
    events.page_referrer as page_referrer,
    events.source as source,
    events.medium as medium,
    events.campaign as campaign,
    events.channel as channel,
    events.source_rule as source_rule,
    events.properties as properties,
    events.analytics_consent as analytics_consent,
    events.marketing_consent as marketing_consent,
    events.device_type as device_type,
    events.browser as browser,
    events.os as os,
    events.is_bot as is_bot
from events
inner join visitors on events.tenant_id = visitors.tenant_id and events.tracking_id = visitors.tracking_id
asof left join sessions
    on
        events.tenant_id = sessions.tenant_id
        and events.tracking_id = sessions.tracking_id
        and events.occurred_at >= sessions.started_at
