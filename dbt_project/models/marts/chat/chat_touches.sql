{#-
  A view: the ads and posts that customers came from with a message, each at the time of its own message, also within a
  conversation that has been there for long.

  Reads the tenant's conversations.
-#}
{{ config(materialized='view') }}

with

touches as (
    select
        tenant_id,
        account_id,
        conversation_id,
        contact_id,
        arrayJoin(referrals) as each
    from {{ ref('conversation_facts') }}
)

select
    touches.tenant_id as tenant_id,
    touches.account_id as account_id,
    touches.conversation_id as conversation_id,
    touches.each.2 as message_id,
    leads.lead_id as lead_id,
    touches.each.1 as touched_at,
    touches.each.3 as referral_type,
    touches.each.4 as source_id,
    touches.each.5 as url,
    touches.each.6 as ctwa_clid,
    if(referral_type = 'ad', 'Paid Social', 'Organic Social') as channel,
    toBool(referral_type = 'ad') as is_paid,
    multiIf(referral_type != 'ad', 'not_an_ad', ctwa_clid = '', 'no_click_id', '') as no_feedback_reason
from touches
left join {{ ref('chat_leads') }} as leads
    on
        touches.tenant_id = leads.tenant_id
        and touches.account_id = leads.account_id
        and touches.contact_id = leads.contact_id
