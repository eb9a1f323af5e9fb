{#-
  Which conversation each code of a WhatsApp link opened, and which visitor clicked it. A code is a bearer's: whoever has the text
  can send it. The first message that carries it within days of a click counts, and no other. If two visitors have the same code at
  that time, it joins neither. The live path makes a `chat_start` of the visitor of each row (orchestration/live/code_joins.py).

  Reads in a turn the conversations of which, or of whose contacts, something is new, the codes in them by the index over
  `conversation_id`, the clicks of the turns that are taken, and of these codes all clicks and messages by their keys.
-#}
-- depends_on: {{ ref('conversation_news') }}
-- depends_on: {{ ref('conversation_turn') }}
{{ config(
    tags=['conversations'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'code'],
    settings={'index_granularity': 256},
    indexes=[{'name': 'of_turn', 'definition': 'turn type minmax granularity 1'}],
) }}

{#- How long a code counts, and how far the visitor's clock and Chatwoot's may differ. -#}
{%- set days = 7 %}
{%- set leeway = 300 %}

with

{% if is_incremental() -%}
concerned_conversations as (
    {{ conversations_of_news() }}
),

concerned as (
    select
        tenant_id,
        code
    from {{ ref('chat_codes') }}
    where
        conversation_id in (select conversation_id from concerned_conversations)
        and (tenant_id, account_id, conversation_id) in (
            select tenant_id, account_id, conversation_id from concerned_conversations
        )
    union distinct
    select
        tenant_id,
        code
    from {{ ref('link_codes') }}
    where
        turn > (select max(clicks_after) from {{ ref('conversation_turn') }})
        and turn <= (select max(clicks_until) from {{ ref('conversation_turn') }})
),

{% endif -%}
messages as (
    select * from {{ ref('chat_codes') }}
    {%- if is_incremental() %}
    where (tenant_id, code) in (select tenant_id, code from concerned)
    {%- endif %}
),

clicks as (
    select * from {{ ref('link_codes') }}
    where
        event_name = 'click'
        and (tenant_id, code) in (select tenant_id, code from messages)
),

-- What of a code was clicked before each message that carries it.
matched as (
    select
        messages.tenant_id as tenant_id,
        messages.code as code,
        messages.account_id as account_id,
        messages.conversation_id as conversation_id,
        messages.message_id as message_id,
        any(messages.written_at) as written_at,
        uniqExact(clicks.tracking_id) as visitors,
        argMax(
            (clicks.tracking_id, clicks.client_session_id, clicks.page_url, clicks.occurred_at),
            (clicks.occurred_at, clicks.event_id)
        ) as click
    from messages
    inner join clicks on messages.tenant_id = clicks.tenant_id and messages.code = clicks.code
    where
        clicks.occurred_at <= messages.written_at + interval {{ leeway }} second
        and clicks.occurred_at >= messages.written_at - interval {{ days }} day
    group by tenant_id, code, account_id, conversation_id, message_id
),

firsts as (
    select * from matched
    order by tenant_id, code, written_at, account_id, conversation_id, message_id
    limit 1 by tenant_id, code
),

conversations as (
    select
        tenant_id,
        account_id,
        conversation_id,
        contact_id
    from {{ ref('conversation_facts') }}
    where (tenant_id, account_id, conversation_id) in (select tenant_id, account_id, conversation_id from firsts)
),

contacts as (
    select
        tenant_id,
        account_id,
        contact_id,
        email != '' or phone != '' as has_address
    from {{ ref('chat_contacts') }}
    where (tenant_id, account_id, contact_id) in (select tenant_id, account_id, contact_id from conversations)
),

computed as (
    select
        firsts.tenant_id as tenant_id,
        firsts.code as code,
        firsts.click.1 as tracking_id,
        firsts.click.2 as client_session_id,
        firsts.click.3 as page_url,
        firsts.click.4 as clicked_at,
        firsts.account_id as account_id,
        firsts.conversation_id as conversation_id,
        conversations.contact_id as contact_id,
        firsts.written_at as written_at,
        -- Without an e-mail or a phone number nothing says whose conversation it is.
        toBool(contacts.has_address) as has_address,
        cityHash64(
            tracking_id, client_session_id, page_url, clicked_at, account_id, conversation_id, contact_id, written_at,
            has_address
        ) as digest
    from firsts
    left join conversations
        on
            firsts.tenant_id = conversations.tenant_id
            and firsts.account_id = conversations.account_id
            and firsts.conversation_id = conversations.conversation_id
    left join contacts
        on
            conversations.tenant_id = contacts.tenant_id
            and conversations.account_id = contacts.account_id
            and conversations.contact_id = contacts.contact_id
    where firsts.visitors = 1
)
{%- if is_incremental() %},

known as (
    select * from {{ this }}
    where (tenant_id, code) in (select tenant_id, code from concerned)
)
{%- endif %}

{{ versions(
    'computed', 'known', ['tenant_id', 'code'], compared_by='digest',
    number="assumeNotNull((select max(turn) from " ~ ref('conversation_turn') ~ "))"
) }}
