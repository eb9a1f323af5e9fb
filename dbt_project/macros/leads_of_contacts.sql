{#-
  The CTE `leads_of_contacts`: whose contact each of `contacts` is, by its identifier, which the script and deliveries set, else
  its e-mail, else its phone number. Values that several people share name no lead. In a turn over leads, whose table is
  written later, `leads` is the table as the turn before left it, and the turn's own people come first.

  Reads the leads and identities with these values by the tables' keys.
-#}
{% macro leads_of_contacts(contacts, leads='written') -%}
{%- set written = ref('leads') if leads == 'written' else leads -%}
stated_values as (
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
    from {{ contacts }}
    where each.3 != ''
),

known_values as (
    select
        tenant_id,
        kind,
        value,
        min(lead_id) as lead_id
    from {{ ref('identities') }}
    where
        not is_shared
        and (tenant_id, kind, value) in (select tenant_id, each.2, each.3 from stated_values)
    group by tenant_id, kind, value

    {%- if leads != 'written' %}

    union all

    select distinct
        tenant_id,
        'lead' as kind,
        person_id as value,
        lead_id
    from {{ ref('lead_members') }}
    where (tenant_id, person_id) in (select tenant_id, each.3 from stated_values where each.2 = 'lead')
    {%- endif %}
    {%- if written %}

    union all

    select
        tenant_id,
        'lead' as kind,
        lead_id as value,
        lead_id
    from {{ written }}
    where
        (tenant_id, lead_id) in (select tenant_id, each.3 from stated_values where each.2 = 'lead')
        {%- if leads != 'written' %}
        and (tenant_id, lead_id) not in (select tenant_id, person_id from {{ ref('lead_members') }})
        {%- endif %}
    {%- endif %}
),

leads_of_contacts as (
    select
        stated_values.tenant_id as tenant_id,
        stated_values.account_id as account_id,
        stated_values.contact_id as contact_id,
        argMin(known_values.lead_id, (stated_values.each.1, known_values.lead_id)) as lead_id
    from stated_values
    inner join known_values
        on
            stated_values.tenant_id = known_values.tenant_id
            and stated_values.each.2 = known_values.kind
            and stated_values.each.3 = known_values.value
    group by tenant_id, account_id, contact_id
)
{%- endmacro %}
