{#-
  Teams and who is in them, as the last pull found them.

  Reads the news.
-#}
{{ chat_table(['tenant_id', 'account_id', 'team_id']) }}

select
    tenant_id,
    account_id,
    record_id as team_id,
    {{ bounded_text("JSONExtractString(payload, 'name')", 2048) }} as name,
    JSONExtract(payload, 'member_ids', 'Array(Int64)') as member_ids,
    seen_at
from {{ ref('chat_news') }}
where kind = 'team' and is_pulled and JSONHas(payload, 'member_ids')
order by seen_at desc
limit 1 by tenant_id, account_id, team_id
