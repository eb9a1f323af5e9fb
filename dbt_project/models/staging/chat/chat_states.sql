{#-
  The states of conversations that were told or found. `version_at` is Chatwoot's own time of the last change, which orders them
  whatever order they came in; of several at one time the one that a pull found counts, then that of the greatest digest.
  Our own writes come back as states that differ in nothing else than what we wrote.

  Reads the news.
-#}
{{ chat_table(['tenant_id', 'account_id', 'conversation_id', 'version_at', 'is_pulled', 'digest']) }}

with

conversations as (
    select * from {{ ref('chat_news') }}
    where kind = 'conversation'
)

select
    tenant_id,
    account_id,
    conversation_id,
    toDateTime64(assumeNotNull(coalesce(
        {{ chat_time('payload', 'updated_at') }},
        {{ chat_time('payload', 'last_activity_at') }},
        {{ chat_time('payload', 'timestamp') }},
        {{ chat_time('payload', 'created_at') }},
        seen_at
    )), 6, 'UTC') as version_at,
    is_pulled,
    toDateTime64(assumeNotNull(coalesce({{ chat_time('payload', 'created_at') }}, version_at)), 3, 'UTC') as opened_at,
    {{ bounded_text("JSONExtractString(payload, 'status')", 64) }} as status,
    {{ bounded_text("JSONExtractString(payload, 'priority')", 64) }} as priority,
    arraySort(arrayDistinct(arrayMap(
        label -> {{ bounded_text('label', 256) }}, JSONExtract(payload, 'labels', 'Array(String)')
    ))) as labels,
    JSONExtractInt(payload, 'inbox_id') as inbox_id,
    JSONExtractInt(payload, 'meta', 'team', 'id') as team_id,
    JSONExtractInt(payload, 'meta', 'assignee', 'id') as assignee_id,
    JSONExtractInt(payload, 'meta', 'sender', 'id') as contact_id,
    {{ bounded_text("JSONExtractString(payload, 'meta', 'channel')", 128) }} as inbox_kind,
    cityHash64(status, priority, labels, inbox_id, team_id, assignee_id, contact_id) as digest,
    seen_at
from conversations
where status != ''
