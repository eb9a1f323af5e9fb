{#-
  The contacts of chats that have a value of the turn's leads, whoever else has one. Reads staging.chat_contacts by its
  indexes over identifier, e-mail and phone number.
-#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'account_id', 'contact_id']) }}

with

-- A contact's identifier is the id of a lead or visitor, or the tenant's own.
values_of_leads as (
    select
        tenant_id,
        'identifier' as field,
        arrayJoin([tracking_id, person_id]) as value
    from {{ ref('lead_members') }}
    union all
    select
        tenant_id,
        if(kind = 'external_id', 'identifier', kind) as field,
        value
    from {{ ref('stated_identifiers') }}
    where kind in ('external_id', 'email', 'phone') and not is_shared
)

{% for field in ['identifier', 'email', 'phone'] -%}
select * from {{ ref('chat_contacts') }}
where
    {{ field }} in (
        select value from values_of_leads
        where field = '{{ field }}'
    )
    and (tenant_id, {{ field }}) in (
        select
            tenant_id,
            value
        from values_of_leads
        where field = '{{ field }}'
    )
{{ 'union distinct' if not loop.last }}
{% endfor %}
