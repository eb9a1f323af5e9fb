{#-
  What happened in each conversation, computed from all of its states and messages in the order of Chatwoot's own times.
  A human answer is a public message of an agent that no automation and no campaign wrote. The first response is the first one
  after the customer's first message.

  Reads in a turn the states and messages of the conversations of which something is new.
-#}
-- depends_on: {{ ref('chat_news') }}
{{ config(
    tags=['chat'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn)',
    order_by=['tenant_id', 'account_id', 'conversation_id'],
    settings={'index_granularity': 256},
    indexes=[
        {'name': 'of_turn', 'definition': 'turn type minmax granularity 1'},
        {'name': 'of_time', 'definition': 'last_message_at type minmax granularity 1'},
    ] + looked_up_by(['contact_id']),
) }}

{%- set key = ['tenant_id', 'account_id', 'conversation_id'] | join(', ') %}
{%- set affected = '(' ~ key ~ ') in ' ~ conversations_with_news() if is_incremental() else 'true' %}

with

states as (
    select
        {{ key }},
        min(opened_at) as first_opened_at,
        arraySort(groupArray((
            version_at, is_pulled, digest, status, labels, priority, inbox_id, team_id, assignee_id, contact_id, inbox_kind
        ))) as each
    from {{ ref('chat_states') }}
    where {{ affected }}
    group by {{ key }}
),

-- One row for each message, whatever forms it was seen in.
messages as (
    select
        {{ key }},
        message_id,
        min(written_at) as at,
        any(message_kind) as kind,
        max(is_private) as was_private,
        argMax(sender_kind, (sender_kind != '', seen_at)) as sender,
        argMax(sender_id, (sender_id != 0, seen_at)) as sent_by,
        max(is_automation) or max(is_campaign) as is_automatic,
        max(is_campaign) as was_campaign,
        kind = 'outgoing' and not was_private and not is_automatic and (sender = 'agent' or max(is_from_telephone)) as is_human,
        argMax(
            (referral_type, referral_source_id, referral_url, ctwa_clid),
            (referral_type != '' or referral_source_id != '', ctwa_clid != '', seen_at)
        ) as referral
    from {{ ref('chat_messages_seen') }}
    where {{ affected }}
    group by {{ key }}, message_id
),

said as (
    select
        {{ key }},
        min((at, message_id)) as first_message,
        max(at) as last_message_at,
        argMinIf(
            multiIf(kind = 'incoming', 'contact', is_human, 'agent', was_campaign, 'campaign', 'automation'),
            (at, message_id),
            kind != 'activity' and not was_private
        ) as opened_by,
        arraySort(groupArrayIf((at, message_id), kind = 'incoming')) as incoming,
        arraySort(groupArrayIf((at, message_id, sent_by), is_human)) as answers,
        countIf(kind = 'incoming') as customer_messages,
        countIf(is_human) as human_messages,
        countIf(was_private) as notes,
        countIf(kind in ('outgoing', 'template') and not is_human and not was_private) as automatic_messages,
        countIf(kind = 'activity') as activities,
        arraySort(groupArrayIf(
            (at, message_id, referral.1, referral.2, referral.3, referral.4), referral.1 != '' or referral.2 != ''
        )) as referrals
    from messages
    group by {{ key }}
),

-- Both sides, as either can be missing: a webhook of a message that was lost, messages that no state tells of.
conversations as (
    select {{ key }} from states
    union distinct
    select {{ key }} from said
),

joined as (
    select
        conversations.tenant_id as tenant_id,
        conversations.account_id as account_id,
        conversations.conversation_id as conversation_id,
        states.first_opened_at as first_opened_at,
        states.each as states,
        said.* except ({{ key }})
    from conversations
    left join states
        on
            conversations.tenant_id = states.tenant_id
            and conversations.account_id = states.account_id
            and conversations.conversation_id = states.conversation_id
    left join said
        on
            conversations.tenant_id = said.tenant_id
            and conversations.account_id = said.account_id
            and conversations.conversation_id = said.conversation_id
),

changes as (
    select
        *,
        arrayMap(each -> each.4, states) as statuses,
        arrayMap(each -> each.5, states) as label_lists,
        arrayMap(each -> toDateTime64(each.1, 3, 'UTC'), states) as times,
        if(empty(states), [], arrayPushFront(arrayPopBack(statuses), '')) as statuses_before,
        if(empty(states), [], arrayPushFront(arrayPopBack(label_lists), [])) as label_lists_before,
        arrayElement(states, -1) as last_state,
        arrayElement(incoming, 1) as first_incoming,
        arrayElement(arrayFilter(each -> (each.1, each.2) > first_incoming, answers), 1) as first_answer,
        arrayElement(answers, -1) as last_answer
    from joined
)

select
    tenant_id,
    account_id,
    conversation_id,
    last_state.10 as contact_id,
    last_state.7 as inbox_id,
    last_state.11 as inbox_kind,
    last_state.8 as team_id,
    last_state.9 as assignee_id,
    if(empty(states), first_message.1, first_opened_at) as opened_at,
    opened_by,
    last_state.4 as status,
    last_state.6 as priority,
    last_state.5 as labels,
    cast(arrayFilter(
        (each, before) -> each.1 != before, arrayZip(statuses, times), statuses_before
    ), 'Array(Tuple(String, DateTime64(3, \'UTC\')))') as status_history,
    cast(arrayFlatten(arrayMap(
        (now_there, before, at) -> arrayConcat(
            arrayMap(label -> (label, 'removed', at), arrayFilter(label -> not has(now_there, label), before)),
            arrayMap(label -> (label, 'added', at), arrayFilter(label -> not has(before, label), now_there))
        ),
        label_lists, label_lists_before, times
    )), 'Array(Tuple(String, String, DateTime64(3, \'UTC\')))') as label_history,
    if(status = 'resolved', tupleElement(arrayElement(status_history, -1), 2), null) as resolved_at,
    if(empty(incoming), null, first_incoming.1) as first_customer_message_at,
    if(empty(incoming) or first_answer.2 = 0, null, first_answer.1) as first_response_at,
    if(empty(incoming) or first_answer.2 = 0, 0, first_answer.3) as responder_id,
    -- The customer's first message behind the last human answer.
    if(
        arrayExists(each -> each > (last_answer.1, last_answer.2), incoming),
        tupleElement(arrayElement(arrayFilter(each -> each > (last_answer.1, last_answer.2), incoming), 1), 1),
        null
    ) as waiting_since,
    if(customer_messages + human_messages + notes + automatic_messages + activities = 0, null, last_message_at) as last_message_at,
    customer_messages,
    human_messages,
    automatic_messages,
    notes,
    cast(
        referrals,
        'Array(Tuple(DateTime64(3, \'UTC\'), Int64, String, String, String, String))'
    ) as referrals,
    assumeNotNull((select max(turn) from {{ ref('chat_turn') }})) as turn
from changes
