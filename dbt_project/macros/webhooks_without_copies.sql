{#-
  Webhooks of a raw table as valid, bounded text, each delivery once: of its copies the one received first. What cannot
  be read is in `set_aside`, one (field, reason, value) for each. `payload` is JSON or ''. `condition` on the columns of
  the raw table keeps the copies from being looked for in all of history.
-#}
{% macro webhooks_without_copies(received, condition='true') -%}
with

source as (
    select
        *,
        if(is_base64, '', {{ readable_json('payload') }}) as readable_payload,
        isValidJSON(readable_payload) as has_json
    from {{ received }}
    where {{ condition }}
)

select
    tenant_id,
    source,
    {{ bounded_text('source.delivery_id', 2048) }} as delivery_id,
    endpoint_id,
    {{ bounded_text('source.event_kind', 2048) }} as event_kind,
    toDateTime64(received_at, 3, 'UTC') as received_at,
    toDateTime64(loaded_at, 3, 'UTC') as loaded_at,
    proof,
    {{ readable_json('source.headers') }} as headers,
    if(has_json, readable_payload, '') as payload,
    cast(arrayMap(
        each -> (each.1, each.2, {{ bounded_text('each.3', 200) }}),
        arrayFilter(each -> each.2 != '', [
            ('payload', multiIf(is_base64, 'not_utf8', not has_json, 'not_json', ''), source.payload),
            ('payload', if(has_json and readable_payload != source.payload, 'invalid_text', ''), source.payload)
        ])
    ), 'Array(Tuple(String, String, String))') as set_aside,
    trace_id
from source
-- A copy in another message is later in the stream; two loads of one message differ in nothing but their load.
order by source.received_at, stream_sequence, source.loaded_at, _dlt_id
limit 1 by tenant_id, source, delivery_id
{%- endmacro %}
