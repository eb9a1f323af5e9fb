{#-
  What is new of chats, whoever told: a row for each record in a webhook or a pull. A webhook of a message tells the state of
  its conversation as well. `payload` is the record as JSON.

  Reads the webhooks and records of the loads and pulls that the turn takes.
-#}
{{ config(tags=['chat'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'account_id', 'conversation_id']) }}

{%- set taken = "received_at >= (select oldest_received_at from " ~ ref('chat_turn') ~ ")"
    ~ " and load_seq > (select load_before from " ~ ref('chat_turn') ~ ")"
    ~ " and load_seq <= (select last_load from " ~ ref('chat_turn') ~ ")" %}

with

webhooks as (
    {{ webhooks_without_copies(source('webhooks', 'chatwoot_events'), taken) }}
),

told as (
    select
        tenant_id,
        coalesce(
            nullIf(JSONExtractInt(payload, 'account', 'id'), 0),
            nullIf(JSONExtractInt(payload, 'account_id'), 0),
            nullIf(JSONExtractInt(payload, 'messages', 1, 'account_id'), 0),
            JSONExtractInt(payload, 'conversation', 'messages', 1, 'account_id')
        ) as told_account,
        arrayJoin(cast(multiIf(
            event_kind in ('message_created', 'message_updated'),
            [('message', payload), ('conversation', JSONExtractRaw(payload, 'conversation'))],
            event_kind in ('conversation_created', 'conversation_updated', 'conversation_status_changed'),
            [('conversation', payload)],
            event_kind in ('contact_created', 'contact_updated'),
            [('contact', payload)],
            []
        ), 'Array(Tuple(String, String))')) as each,
        received_at as seen_at,
        false as is_pulled
    from webhooks
    where payload != ''
),

pulled as (
    select
        tenant_id,
        account_id as told_account,
        (kind, payload) as each,
        loaded_at as seen_at,
        true as is_pulled
    from {{ source('chat', 'chat_records') }}
    where
        load_seq > (select pull_before from {{ ref('chat_turn') }})
        and load_seq <= (select last_pull from {{ ref('chat_turn') }})
),

records as (
    select * from told
    union all
    select * from pulled
),

-- Some webhooks do not name their account: it is the tenant's, if it has only one.
only_accounts as (
    select
        tenant_id,
        if(uniqExact(JSONExtractInt(configuration, 'account_id')) = 1, any(JSONExtractInt(configuration, 'account_id')), 0)
            as only_account
    from {{ ref('stg_operational__destinations') }}
    where destination_kind = 'chatwoot'
    group by tenant_id
)

select
    records.tenant_id as tenant_id,
    if(records.told_account = 0, only_accounts.only_account, records.told_account) as account_id,
    records.each.1 as kind,
    JSONExtractInt(records.each.2, 'id') as record_id,
    multiIf(
        kind = 'conversation', record_id,
        kind != 'message', 0,
        JSONExtractInt(records.each.2, 'conversation', 'id') > 0, JSONExtractInt(records.each.2, 'conversation', 'id'),
        JSONExtractInt(records.each.2, 'conversation_id')
    ) as conversation_id,
    records.seen_at as seen_at,
    records.is_pulled as is_pulled,
    records.each.2 as payload
from records
left join only_accounts on records.tenant_id = only_accounts.tenant_id
where record_id > 0 and (conversation_id > 0 or kind not in ('conversation', 'message'))
