{#-
  A view: whose conversation it is, by the contact's identifier, which the script and deliveries set, else its e-mail, else its
  phone number. It looks the contacts' values up in the identities of leads, so that leads that become one are followed.

  Reads the contacts of the tenant, and the leads and identities with their values by the tables' keys.
-#}
{{ config(materialized='view') }}

with

stated as (
    select
        tenant_id,
        account_id,
        contact_id,
        arrayJoin([
            (1, 'lead', identifier),
            (2, 'tracking_id', identifier),
            (3, 'external_id', identifier),
            (4, 'email', email),
            (5, 'phone', phone)
        ]) as each
    from {{ ref('chat_contacts') }}
    where each.3 != ''
),

known as (
    select
        tenant_id,
        kind,
        value,
        min(lead_id) as lead_id
    from {{ ref('identities') }}
    where
        not is_shared
        and (tenant_id, kind, value) in (select tenant_id, each.2, each.3 from stated)
    group by tenant_id, kind, value

    union all

    select
        tenant_id,
        'lead' as kind,
        lead_id as value,
        lead_id
    from {{ ref('leads') }}
    where (tenant_id, lead_id) in (select tenant_id, each.3 from stated)
)

select
    stated.tenant_id as tenant_id,
    stated.account_id as account_id,
    stated.contact_id as contact_id,
    argMin(known.lead_id, (stated.each.1, known.lead_id)) as lead_id
from stated
inner join known
    on
        stated.tenant_id = known.tenant_id
        and stated.each.2 = known.kind
        and stated.each.3 = known.value
group by tenant_id, account_id, contact_id
