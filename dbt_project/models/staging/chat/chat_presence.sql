{#-
  Who can answer, and whether they are online, as the last pull found it; Chatwoot sends no webhook of it. Whom the account
  has no more is gone.

  Reads the news.
-#}
{{ chat_table(['tenant_id', 'account_id', 'agent_id']) }}

select
    tenant_id,
    account_id,
    record_id as agent_id,
    {{ bounded_text("JSONExtractString(payload, 'name')", 2048) }} as name,
    {{ bounded_text("JSONExtractString(payload, 'email')", 2048) }} as email,
    -- Chatwoot answers online; its description says available.
    JSONExtractString(payload, 'availability_status') in ('online', 'available') as is_online,
    toBool(JSONExtractString(payload, 'availability_status') = 'gone') as is_gone,
    seen_at
from {{ ref('chat_news') }}
where kind = 'agent' and is_pulled and JSONHas(payload, 'availability_status')
order by seen_at desc
limit 1 by tenant_id, account_id, agent_id
