{#-
  What agents, teams and inboxes are called, as last told or found; those that are gone keep their names.

  Reads the news.
-#}
{{ chat_table(['tenant_id', 'account_id', 'kind', 'record_id']) }}

with

named as (
    select
        tenant_id,
        account_id,
        arrayJoin([
            (kind, record_id, JSONExtractString(payload, 'name')),
            (
                'agent',
                JSONExtractInt(payload, 'meta', 'assignee', 'id'),
                JSONExtractString(payload, 'meta', 'assignee', 'name')
            ),
            ('team', JSONExtractInt(payload, 'meta', 'team', 'id'), JSONExtractString(payload, 'meta', 'team', 'name')),
            (
                'agent',
                if(lower(JSONExtractString(payload, 'sender', 'type')) = 'user', JSONExtractInt(payload, 'sender', 'id'), 0),
                JSONExtractString(payload, 'sender', 'name')
            )
        ]) as each,
        seen_at
    from {{ ref('chat_news') }}
)

select
    tenant_id,
    account_id,
    each.1 as kind,
    each.2 as record_id,
    {{ bounded_text('each.3', 2048) }} as name,
    seen_at
from named
where kind in ('agent', 'team', 'inbox') and record_id > 0 and name != ''
order by seen_at desc
limit 1 by tenant_id, account_id, kind, record_id
