{#-
  The conversations of the turn's leads: those of the contacts that are theirs. Reads the identities of these contacts by
  their key, and marts.conversation_facts by the index over `contact_id`.
-#}
-- depends_on: {{ ref('identities') }}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'lead_id']) }}

with

{{ leads_of_contacts(ref('lead_contacts'), leads=built_so_far('marts', 'leads')) }}

select
    facts.tenant_id as tenant_id,
    owners.lead_id as lead_id,
    facts.* except (tenant_id, turn)
from {{ ref('conversation_facts') }} as facts
inner join leads_of_contacts as owners
    on
        facts.tenant_id = owners.tenant_id
        and facts.account_id = owners.account_id
        and facts.contact_id = owners.contact_id
where
    facts.contact_id in (select contact_id from leads_of_contacts)
    and (facts.tenant_id, facts.account_id, facts.contact_id) in (select tenant_id, account_id, contact_id from leads_of_contacts)
    and (owners.tenant_id, owners.lead_id) in (select tenant_id, lead_id from {{ ref('lead_members') }})
