{#-
  Reads in a turn the sessions and events of the visitors of its leads, their conversations, and the touches that these
  leads had before.
-#}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'lead_id', 'touch_at', 'tracking_id', 'origin'],
    settings={'index_granularity': 256},
    indexes=looked_up_by(['lead_id']),
) }}

with

{{ visits_of_leads() }},

-- Who is known from a server's event before any visit of theirs came from where the first of these says.
first_server_events as (
    select
        events.*,
        members.lead_id as lead_id,
        {{ click_ids_of_event() }} as click_ids
    from server_events as events
    inner join members using (tenant_id, tracking_id)
    left join spans using (tenant_id, tracking_id, lead_id)
    where
        {{ is_in_stay('events.occurred_at', 'events.event_id') }}
        and not arrayExists(span -> span.2 <= events.occurred_at, spans.spans)
    order by occurred_at, event_id
    limit 1 by tenant_id, tracking_id, lead_id
),

-- The ads and posts that customers came from with a message, each at the time of its own message.
referrals as (
    select
        tenant_id,
        lead_id,
        account_id,
        arrayJoin(referrals) as each,
        each.1 as written_at,
        each.2 as message_id,
        each.3 = 'ad' as is_ad,
        each.4 as source_id,
        each.5 as url,
        each.6 as click_id
    from {{ ref('lead_conversations') }}
),

-- Conversations that a link on a page led to: they belong to that visit, as those of the widget do.
visited as (
    select
        tenant_id,
        JSONExtractInt(properties, 'account_id') as account_id,
        JSONExtractInt(properties, 'conversation_id') as conversation_id,
        groupArray(occurred_at) as code_times
    from server_events
    where event_name = 'chat_start' and JSONExtractString(properties, 'whatsapp_code') != ''
    group by tenant_id, account_id, conversation_id
),

computed as (
    select
        tenant_id,
        lead_id,
        tracking_id,
        'session' as origin,
        session_id as touch_id,
        session_id,
        started_at as touch_at,
        arrived_at,
        landing_page,
        referrer,
        source,
        medium,
        campaign,
        campaign_ids,
        utm_term as term,
        utm_content as content,
        channel,
        is_paid,
        source_rule,
        utm_source,
        utm_medium,
        utm_campaign,
        click_ids
    from sessions

    union all

    select
        events.tenant_id,
        events.lead_id,
        events.tracking_id,
        'server_event' as origin,
        concat(origin, ':', events.tracking_id) as touch_id,
        '' as session_id,
        events.occurred_at as touch_at,
        coalesce(events.touch_at, events.occurred_at) as arrived_at,
        cutQueryStringAndFragment(events.landing_url) as landing_page,
        events.touch_referrer as referrer,
        events.source,
        events.medium,
        events.campaign,
        events.campaign_ids,
        events.utm_term as term,
        events.utm_content as content,
        events.channel,
        events.is_paid,
        events.source_rule,
        events.utm_source,
        events.utm_medium,
        events.utm_campaign,
        click_ids
    from first_server_events as events

    union all

    select
        tenant_id,
        lead_id,
        tracking_id,
        origin,
        touch_id,
        session_id,
        touch_at,
        touch_at as arrived_at,
        landing_page,
        referrer,
        source,
        medium,
        campaign,
        campaign_ids,
        term,
        content,
        channel,
        is_paid,
        source_rule,
        utm_source,
        utm_medium,
        utm_campaign,
        click_ids
    from {{ ref('remembered_sources') }}

    union all

    select
        tenant_id,
        lead_id,
        concat('message:', toString(account_id), ':', toString(message_id)) as tracking_id,
        'message' as origin,
        tracking_id as touch_id,
        '' as session_id,
        written_at as touch_at,
        touch_at as arrived_at,
        cutQueryStringAndFragment(url) as landing_page,
        '' as referrer,
        'facebook' as source,
        if(is_ad, 'paid-social', 'social') as medium,
        '' as campaign,
        cast([], 'Array(String)') as campaign_ids,
        '' as term,
        source_id as content,
        if(is_ad, 'Paid Social', 'Organic Social') as channel,
        is_ad as is_paid,
        'referral' as source_rule,
        '' as utm_source,
        '' as utm_medium,
        '' as utm_campaign,
        mapFilter((name, value) -> value != '', map('ctwa_clid', click_id)) as click_ids
    from referrals

    union all

    select
        tenant_id,
        lead_id,
        concat('conversation:', toString(account_id), ':', toString(conversation_id)) as tracking_id,
        'conversation' as origin,
        tracking_id as touch_id,
        '' as session_id,
        opened_at as touch_at,
        touch_at as arrived_at,
        '' as landing_page,
        '' as referrer,
        '(direct)' as source,
        '(none)' as medium,
        '' as campaign,
        cast([], 'Array(String)') as campaign_ids,
        '' as term,
        '' as content,
        'Direct' as channel,
        false as is_paid,
        'direct' as source_rule,
        '' as utm_source,
        '' as utm_medium,
        '' as utm_campaign,
        cast(map(), 'Map(String, String)') as click_ids
    from {{ ref('lead_conversations') }} as conversations
    left join visited using (tenant_id, account_id, conversation_id)
    -- One that began with an ad is that ad's.
    where
        {{ is_touch_of_chat() }}
        and not arrayExists(each -> each.1 < opened_at + interval 60 second, referrals)
        and not arrayExists(code_time -> code_time < opened_at + interval 60 second, code_times)
)

{{ versions('computed', rows_of_affected_leads(), ['tenant_id', 'lead_id', 'touch_at', 'tracking_id', 'origin']) }}
