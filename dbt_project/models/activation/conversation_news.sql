{#-
  The leads, conversations and contacts of conversations that have changed, and the conversations that wait for a cover;
  `account_id` is 0 for a lead. Ends count as well: the versions of rows are read as they are.

  Reads the rows of the turns that are taken, by the tables' indexes.
-#}
-- depends_on: {{ ref('chat_presence') }}
{{ config(
    tags=['conversations'],
    materialized='table',
    engine='MergeTree()',
    order_by=['tenant_id', 'kind', 'account_id', 'id'],
    query_settings={'final': 0},
) }}

with

turn as (
    select * from {{ ref('conversation_turn') }}
)

select distinct
    tenant_id,
    'lead' as kind,
    toInt64(0) as account_id,
    lead_id as id
from {{ ref('lead_deliveries') }}
where turn > (select leads_after from turn) and turn <= (select leads_until from turn)

union all

select distinct
    tenant_id,
    'conversation' as kind,
    account_id,
    toString(conversation_id) as id
from {{ ref('conversation_facts') }}
where turn > (select chats_after from turn) and turn <= (select chats_until from turn)

union all

select distinct
    tenant_id,
    'contact' as kind,
    account_id,
    toString(contact_id) as id
from {{ ref('chat_contacts') }}
where seen_at > (select contacts_after from turn) and seen_at <= (select contacts_until from turn)
{%- set covers = built_so_far('marts', 'conversation_covers') %}
{%- if covers %}

union distinct

-- Conversations that wait for a cover: their time has come, or an agent of the account came online or left.
select distinct
    tenant_id,
    'conversation' as kind,
    account_id,
    toString(conversation_id) as id
from {{ covers }} final
where
    is_deleted = 0
    and (
        due_at <= (select looked_at from turn)
        or (
            is_waiting
            and (tenant_id, account_id) in (
                select
                    tenant_id,
                    account_id
                from {{ ref('chat_presence') }}
                where seen_at > (select presence_after from turn) and seen_at <= (select presence_until from turn)
            )
        )
    )
{%- endif %}
