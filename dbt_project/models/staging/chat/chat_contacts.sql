{#-
  Contacts of chats as they were last told or found. Chatwoot gives no version of a contact, so the order is that in which we
  saw it, and a pull mends what a late webhook sets back.

  Reads the news.
-#}
{{ chat_table(['tenant_id', 'account_id', 'contact_id'], found_by=['identifier', 'email', 'phone']) }}

with

told as (
    select
        tenant_id,
        account_id,
        if(kind = 'contact', payload, JSONExtractRaw(payload, 'meta', 'sender')) as contact,
        seen_at
    from {{ ref('chat_news') }}
    where kind in ('contact', 'conversation')
)

select
    tenant_id,
    account_id,
    JSONExtractInt(contact, 'id') as contact_id,
    {{ bounded_text("JSONExtractString(contact, 'name')", 2048) }} as name,
    {{ bounded_text("JSONExtractString(contact, 'identifier')", 2048) }} as identifier,
    lower({{ bounded_text("JSONExtractString(contact, 'email')", 2048) }}) as email,
    {{ bounded_text("JSONExtractString(contact, 'phone_number')", 64) }} as phone,
    seen_at
from told
where contact_id > 0
order by seen_at desc
limit 1 by tenant_id, account_id, contact_id
