{#-
  Whose a conversation is, for the turns over leads: a row has the number of the turn of conversations that last found
  something which concerns the lead. That is a touch, and whatever rules of the tenant ask of conversations.

  Reads in a turn the conversations of which something is new, those of contacts of which something is new by the index over
  `contact_id`, their contacts and identities by their keys, and the mirrored rules.
-#}
-- depends_on: {{ ref('conversation_news') }}
{{ config(
    tags=['conversations'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'account_id', 'conversation_id'],
    settings={'index_granularity': 256},
    indexes=[{'name': 'of_turn', 'definition': 'turn type minmax granularity 1'}],
) }}

with

askers as (
    select distinct tenant_id from {{ ref('stg_operational__lead_rules') }}
    where arrayExists(clause -> arrayExists(one -> startsWith(one.fact, 'conversation.'), clause), clauses)
),

{% if is_incremental() -%}
concerned as (
    {{ conversations_of_news() }}
),

{% endif -%}
conversations as (
    select
        tenant_id,
        account_id,
        conversation_id,
        contact_id,
        cityHash64(
            toString(referrals),
            {{ is_touch_of_chat() }},
            if(
                tenant_id in (select tenant_id from askers),
                toString((
                    status, priority, labels, inbox_id, team_id, assignee_id, first_customer_message_at, first_response_at,
                    waiting_since, customer_messages, last_message_at
                )),
                ''
            )
        ) as digest
    from {{ ref('conversation_facts') }}
    {%- if is_incremental() %}
    where (tenant_id, account_id, conversation_id) in (select tenant_id, account_id, conversation_id from concerned)
    {%- endif %}
),

contacts as (
    select * from {{ ref('chat_contacts') }}
    where (tenant_id, account_id, contact_id) in (select tenant_id, account_id, contact_id from conversations)
),

{{ leads_of_contacts('contacts') }},

computed as (
    select
        conversations.tenant_id as tenant_id,
        conversations.account_id as account_id,
        conversations.conversation_id as conversation_id,
        owners.lead_id as lead_id,
        -- Another lead's conversation is news for it.
        cityHash64(conversations.digest, owners.lead_id) as digest
    from conversations
    inner join leads_of_contacts as owners
        on
            conversations.tenant_id = owners.tenant_id
            and conversations.account_id = owners.account_id
            and conversations.contact_id = owners.contact_id
)
{%- if is_incremental() %},

known as (
    select * from {{ this }}
    where (tenant_id, account_id, conversation_id) in (select tenant_id, account_id, conversation_id from conversations)
)
{%- endif %}

{{ versions(
    'computed', 'known', ['tenant_id', 'account_id', 'conversation_id'], compared_by='digest',
    number="assumeNotNull((select max(turn) from " ~ ref('conversation_turn') ~ "))"
) }}
