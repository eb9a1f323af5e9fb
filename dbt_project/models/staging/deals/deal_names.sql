{#-
  A view: reads the tenant's deals, the contacts they name, and the records that deliveries made. The lead that is written on
  the deal comes first, then the one whose delivery made it, then the lead of its contacts. Contacts that became part of
  another are followed.
-#}
with

deals as (
    select tenant_id, destination_id, deal_id, lead_key, contact_ids, merged_ids
    from {{ ref('stg_deals__deals') }}
),

contacts as (
    select * from {{ ref('stg_deals__contacts') }}
),

records as (
    select * from {{ ref('stg_operational__destination_records') }}
),

-- An id that a contact or deal has, or that another had which became part of it.
contact_names as (
    select tenant_id, destination_id, contact_id, arrayJoin(arrayConcat(merged_ids, [contact_id])) as known_as from contacts
),

deal_names as (
    select tenant_id, destination_id, deal_id, arrayJoin(arrayConcat(merged_ids, [deal_id])) as known_as from deals
),

survivors as (
    select tenant_id, destination_id, known_as, max(contact_id) as survivor_id
    from contact_names
    where known_as != contact_id
    group by tenant_id, destination_id, known_as
),

named as (
    select tenant_id, destination_id, deal_id, arrayJoin(contact_ids) as named_id from deals
),

deal_contacts as (
    select
        named.tenant_id as tenant_id,
        named.destination_id as destination_id,
        named.deal_id as deal_id,
        if(survivors.survivor_id = '', named.named_id, survivors.survivor_id) as contact_id
    from named
    left join survivors
        on
            named.tenant_id = survivors.tenant_id
            and named.destination_id = survivors.destination_id
            and named.named_id = survivors.known_as
),

-- The leads of a contact: the one written on it, and those whose deliveries wrote it or what became part of it.
contact_leads as (
    select tenant_id, destination_id, contact_id, lead_key as lead_id, 3 as way from contacts
    where lead_key != ''

    union all

    select records.tenant_id, records.destination_id, contact_names.contact_id, records.lead_id, 4 as way
    from records
    inner join contact_names
        on
            records.tenant_id = contact_names.tenant_id
            and records.destination_id = contact_names.destination_id
            and records.remote_id = contact_names.known_as
    where records.remote_kind = 'contact'

    union all

    select tenant_id, destination_id, remote_id as contact_id, lead_id, 4 as way from records
    where remote_kind = 'contact'
),

ways as (
    select tenant_id, destination_id, deal_id, lead_key as lead_id, 1 as way from deals
    where lead_key != ''

    union all

    select records.tenant_id, records.destination_id, deal_names.deal_id, records.lead_id, 2 as way
    from records
    inner join deal_names
        on
            records.tenant_id = deal_names.tenant_id
            and records.destination_id = deal_names.destination_id
            and records.remote_id = deal_names.known_as
    where records.remote_kind = 'deal'

    union all

    select deal_contacts.tenant_id, deal_contacts.destination_id, deal_contacts.deal_id, contact_leads.lead_id, contact_leads.way
    from deal_contacts
    inner join contact_leads
        on
            deal_contacts.tenant_id = contact_leads.tenant_id
            and deal_contacts.destination_id = contact_leads.destination_id
            and deal_contacts.contact_id = contact_leads.contact_id
)

select
    tenant_id,
    destination_id,
    deal_id,
    argMin(ways.lead_id, (way, ways.lead_id)) as named_lead_id,
    ['written on the deal', 'made by a delivery', 'written on the contact', 'contact of a delivery'][min(way)] as found_by
from ways
group by tenant_id, destination_id, deal_id
