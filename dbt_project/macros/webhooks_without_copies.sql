{#- Webhooks of a raw table, each delivery once: of its copies the one received first. -#}
{% macro webhooks_without_copies(received) -%}
with

source as (
    select * from {{ received }}
)

select
    tenant_id,
    source,
    delivery_id,
    endpoint_id,
    event_kind,
    toDateTime64(received_at, 3, 'UTC') as received_at,
    toDateTime64(loaded_at, 3, 'UTC') as loaded_at,
    proof,
    headers,
    payload,
    is_base64,
    trace_id
from source
-- A copy in another message is later in the stream; two loads of one message differ in nothing but their load.
order by source.received_at, stream_sequence, source.loaded_at, _dlt_id
limit 1 by tenant_id, source, delivery_id
{%- endmacro %}
