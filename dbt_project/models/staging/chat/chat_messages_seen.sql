{#-
  Messages as they were told or found. One message has a row for each form it had: a webhook may say less of it than a pull.
  Pulls know whole seconds, so times are whole seconds.

  Reads the news.
-#}
{{ chat_table(['tenant_id', 'account_id', 'conversation_id', 'message_id', 'digest']) }}

with

messages as (
    select
        *,
        JSONExtractRaw(payload, 'content_attributes', 'referral') as referral,
        lower(coalesce(
            nullIf(JSONExtractString(payload, 'sender', 'type'), ''), JSONExtractString(payload, 'sender_type')
        )) as sender_type,
        tenant_id in (
            select tenant_id from {{ ref('stg_operational__chat_settings') }}
            where keeps_texts
        ) as keeps_texts
    from {{ ref('chat_news') }}
    where kind = 'message'
)

select
    tenant_id,
    account_id,
    conversation_id,
    record_id as message_id,
    toDateTime64(toStartOfSecond(assumeNotNull(coalesce({{ chat_time('payload', 'created_at') }}, seen_at))), 3, 'UTC')
        as written_at,
    if(
        JSONType(payload, 'message_type') = 'String',
        {{ bounded_text("JSONExtractString(payload, 'message_type')", 64) }},
        arrayElement(['incoming', 'outgoing', 'activity', 'template'], 1 + JSONExtractUInt(payload, 'message_type'))
    ) as message_kind,
    JSONExtractBool(payload, 'private') as is_private,
    multiIf(
        message_kind = 'incoming', 'contact',
        sender_type in ('user', 'agent'), 'agent',
        sender_type = '', '',
        'bot'
    ) as sender_kind,
    if(
        JSONExtractInt(payload, 'sender', 'id') > 0,
        JSONExtractInt(payload, 'sender', 'id'),
        JSONExtractInt(payload, 'sender_id')
    ) as sender_id,
    JSONHas(payload, 'content_attributes', 'automation_rule_id')
    and JSONType(payload, 'content_attributes', 'automation_rule_id') != 'Null' as is_automation,
    JSONHas(payload, 'additional_attributes', 'campaign_id')
    and JSONType(payload, 'additional_attributes', 'campaign_id') != 'Null' as is_campaign,
    -- What an agent wrote on the telephone that shares the number.
    JSONExtractBool(payload, 'content_attributes', 'external_echo') as is_from_telephone,
    {{ bounded_text("JSONExtractString(payload, 'content_type')", 64) }} as content_type,
    {{ bounded_text("JSONExtractString(referral, 'source_type')", 64) }} as referral_type,
    {{ bounded_text("JSONExtractString(referral, 'source_id')", 256) }} as referral_source_id,
    {{ bounded_text("JSONExtractString(referral, 'source_url')", 2048) }} as referral_url,
    {{ bounded_text("JSONExtractString(referral, 'ctwa_clid')", 2048) }} as ctwa_clid,
    -- What the loader or the pull read in the text, whether or not that is kept.
    if(
        message_kind = 'incoming' and match(JSONExtractString(payload, 'link_code'), '{{ link_code_pattern() }}'),
        JSONExtractString(payload, 'link_code'),
        ''
    ) as link_code,
    if(keeps_texts, {{ bounded_text("JSONExtractString(payload, 'content')", 100000) }}, '') as content,
    cityHash64(
        message_kind, is_private, sender_kind, sender_id, is_automation, is_campaign, is_from_telephone, content_type,
        referral_type, referral_source_id, referral_url, ctwa_clid, link_code, content
    ) as digest,
    seen_at
from messages
