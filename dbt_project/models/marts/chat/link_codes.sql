{#-
  The events that name the code of a WhatsApp link: the click of a visitor, and the `chat_start` that the live path adds when
  the code came back in a message. Narrow and in the order of codes, so that a message finds its click.

  Reads in a turn its new events alone.
-#}
-- depends_on: {{ ref('fresh_events') }}
-- depends_on: {{ ref('withdrawn_events') }}
-- depends_on: {{ ref('events') }}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'code', 'tracking_id', 'occurred_at', 'event_id'],
    settings={'index_granularity': 256},
    indexes=[{'name': 'of_turn', 'definition': 'turn type minmax granularity 1'}] + looked_up_by(['tracking_id']),
) }}

{%- set code = "JSONExtractString(properties, 'whatsapp_code')" %}
{%- set columns %}
    tenant_id,
    {{ code }} as code,
    tracking_id,
    occurred_at,
    event_id,
    event_name,
    client_session_id,
    page_url,
    received_at
{%- endset %}
{#- Only servers report that a message came; the cheap conditions first. -#}
{%- set names_code %}
    (event_name = 'click' or (event_name = 'chat_start' and sent_by = 'server'))
    and match({{ code }}, '{{ link_code_pattern() }}')
{%- endset %}

{% if not is_incremental() -%}

select
    {{- columns }},
    {{ turn() }} as turn,
    toUInt8(0) as is_deleted
from {{ ref('events') }}
where {{ names_code }}

{%- else -%}

with

fresh_events as (
    select * from {{ ref('fresh_events') }}
    where event_name in ('click', 'chat_start')
)

select
    {{- columns }},
    {{ turn() }} as turn,
    toUInt8(0) as is_deleted
from fresh_events
where {{ names_code }}

union all

select
    {{- columns }},
    {{ turn() }} as turn,
    toUInt8(1) as is_deleted
from {{ other_places() }}
where {{ names_code }}

union all

select
    {{- columns }},
    {{ turn() }} as turn,
    toUInt8(1) as is_deleted
from {{ ref('withdrawn_events') }}
where {{ names_code }}

{%- endif %}
