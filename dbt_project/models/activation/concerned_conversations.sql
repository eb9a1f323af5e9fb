{#-
  The conversations of which a turn computes anew what they should have, and whose they are: those that have changed, those of
  contacts and leads that have changed, and what is still wanted for such a lead. A table of its own, because planning the
  query behind it costs more than running it, and without a row that query need not run.

  Reads in a turn, of the tenants of which something is new, the recent conversations, by when they were last active, and
  what is wanted for them; of the conversations the contacts and identities by their keys.
-#}
-- depends_on: {{ ref('conversation_news') }}
{{ config(
    tags=['conversations'],
    materialized='table',
    engine='MergeTree()',
    order_by=['tenant_id', 'account_id', 'conversation_id'],
) }}

{#- A conversation in which nothing is said for so long is left as it is. -#}
{%- set recent_days = 30 %}
{%- set wanted = built_so_far('activation', 'conversation_deliveries') %}
{#- Where it was reopened, it begins anew with that. -#}
{%- set opened_last_at %}
        coalesce(
            arrayMax(arrayMap(
                (each, before) -> if(before.1 = 'resolved' and each.1 != 'resolved', toNullable(each.2), null),
                status_history,
                arrayPushFront(arrayPopBack(status_history), ('', toDateTime64(0, 3, 'UTC')))
            )),
            opened_at
        )
{%- endset %}
{%- set is_open = "(status not in ('', 'resolved')
        and (last_message_at is null or last_message_at >= now64(3) - interval " ~ recent_days ~ " day))" %}

with

changed as (
    select
        tenant_id,
        account_id,
        toInt64OrZero(id) as conversation_id
    from {{ ref('conversation_news') }}
    where kind = 'conversation'
    {%- if wanted %}
    union all
    -- What was that of a lead which has changed may be another's now.
    select
        tenant_id,
        account_id,
        toInt64OrZero(conversation_id) as conversation_id
    from {{ wanted }}
    where
        tenant_id in (select tenant_id from {{ ref('conversation_news') }})
        and (tenant_id, 'lead', lead_id) in (select tenant_id, kind, id from {{ ref('conversation_news') }})
    {%- endif %}
),

conversations as (
    select
        tenant_id,
        account_id,
        conversation_id,
        contact_id,
        {{- opened_last_at }} as opened_at,
        referrals,
        true as is_open
    from {{ ref('conversation_facts') }}
    where {{ is_open }} and tenant_id in (select tenant_id from {{ ref('conversation_news') }})

    union all

    select
        tenant_id,
        account_id,
        conversation_id,
        contact_id,
        {{- opened_last_at }} as opened_at,
        referrals,
        false as is_open
    from {{ ref('conversation_facts') }}
    where not {{ is_open }} and (tenant_id, account_id, conversation_id) in (select * from changed)
),

contacts as (
    select * from {{ ref('chat_contacts') }}
    where (tenant_id, account_id, contact_id) in (select tenant_id, account_id, contact_id from conversations)
),

{{ leads_of_contacts('contacts') }}

select
    conversations.tenant_id as tenant_id,
    conversations.account_id as account_id,
    conversations.conversation_id as conversation_id,
    if(conversations.is_open, owners.lead_id, '') as lead_id,
    conversations.opened_at as opened_at,
    conversations.referrals as referrals
from conversations
left join leads_of_contacts as owners
    on
        conversations.tenant_id = owners.tenant_id
        and conversations.account_id = owners.account_id
        and conversations.contact_id = owners.contact_id
where
    (conversations.tenant_id, conversations.account_id, conversations.conversation_id) in (select * from changed)
    or (conversations.tenant_id, conversations.account_id, 'contact', toString(conversations.contact_id)) in (
        select tenant_id, account_id, kind, id from {{ ref('conversation_news') }}
    )
    or (conversations.tenant_id, 'lead', owners.lead_id) in (select tenant_id, kind, id from {{ ref('conversation_news') }})
