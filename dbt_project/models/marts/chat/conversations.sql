{#-
  A view: what happened in a conversation with whose it is, what agents, teams and inboxes are called, and business hours as
  they are now, so that it follows all of these at once.

  Reads the tenant's conversations, contacts and names, and the identities of the contacts.
-#}
{{ config(materialized='view', tags=['chat_views']) }}

with

facts as (
    select
        facts.tenant_id as tenant_id,
        facts.* except (tenant_id),
        hours.time_zone as time_zone,
        hours.weekly as weekly,
        hours.special_days as special_days,
        {{ local_seconds('assumeNotNull(facts.first_customer_message_at)', 'hours.time_zone') }} as asked_at_local,
        {{ local_seconds('assumeNotNull(facts.first_response_at)', 'hours.time_zone') }} as answered_at_local
    from {{ ref('conversation_facts') }} as facts
    left join {{ ref('chat_hours') }} as hours on facts.tenant_id = hours.tenant_id
),

agents as (
    select * from {{ ref('chat_names') }}
    where kind = 'agent'
),

teams as (
    select * from {{ ref('chat_names') }}
    where kind = 'team'
),

inboxes as (
    select * from {{ ref('chat_names') }}
    where kind = 'inbox'
)

select
    facts.tenant_id as tenant_id,
    facts.account_id as account_id,
    facts.conversation_id as conversation_id,
    leads.lead_id as lead_id,
    facts.contact_id as contact_id,
    facts.opened_at as opened_at,
    facts.opened_by as opened_by,
    facts.status as status,
    facts.priority as priority,
    facts.inbox_id as inbox_id,
    inboxes.name as inbox,
    facts.inbox_kind as inbox_kind,
    facts.team_id as team_id,
    teams.name as team,
    facts.assignee_id as assignee_id,
    agents.name as assignee,
    facts.labels as labels,
    facts.first_customer_message_at as first_customer_message_at,
    facts.first_response_at as first_response_at,
    facts.responder_id as responder_id,
    responders.name as responder,
    if(
        facts.first_response_at is null,
        null,
        {{ business_seconds('facts.asked_at_local', 'facts.answered_at_local', 'facts.weekly', 'facts.special_days') }}
    ) as first_response_business_seconds,
    facts.waiting_since as waiting_since,
    facts.resolved_at as resolved_at,
    facts.last_message_at as last_message_at,
    facts.customer_messages as customer_messages,
    facts.human_messages as human_messages,
    facts.automatic_messages as automatic_messages,
    facts.notes as notes,
    facts.status_history as status_history,
    facts.label_history as label_history
from facts
left join {{ ref('chat_leads') }} as leads
    on
        facts.tenant_id = leads.tenant_id
        and facts.account_id = leads.account_id
        and facts.contact_id = leads.contact_id
left join agents
    on
        facts.tenant_id = agents.tenant_id
        and facts.account_id = agents.account_id
        and facts.assignee_id = agents.record_id
left join agents as responders
    on
        facts.tenant_id = responders.tenant_id
        and facts.account_id = responders.account_id
        and facts.responder_id = responders.record_id
left join teams
    on
        facts.tenant_id = teams.tenant_id
        and facts.account_id = teams.account_id
        and facts.team_id = teams.record_id
left join inboxes
    on
        facts.tenant_id = inboxes.tenant_id
        and facts.account_id = inboxes.account_id
        and facts.inbox_id = inboxes.record_id
