{#-
  The few events that leads are made of, unpartitioned and small, so that all of a visitor's are read at once. Reads in a
  turn its new events alone.
-#}
-- depends_on: {{ ref('fresh_events') }}
-- depends_on: {{ ref('withdrawn_events') }}
-- depends_on: {{ ref('events') }}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'tracking_id', 'occurred_at', 'event_id'],
    settings={'index_granularity': 256},
    indexes=looked_up_by(['order_id', 'tracking_id']),
) }}

{%- set columns = own_columns() | join(', ') %}

{% if not is_incremental() -%}

select
    * except (turn, is_deleted),
    {{ turn() }} as turn,
    toUInt8(0) as is_deleted
from {{ ref('events') }}
where {{ concerns_lead() }}

{%- else -%}

with

fresh_events as (
    select
        *,
        {{ concerns_lead() }} as concerns_lead
    from {{ ref('fresh_events') }}
)

-- A better copy may say less than the one that was counted.
select
    {{ columns }},
    {{ turn() }} as turn,
    toUInt8(not concerns_lead) as is_deleted
from fresh_events
where concerns_lead or is_known

union all

select
    {{ columns }},
    {{ turn() }} as turn,
    toUInt8(1) as is_deleted
from {{ other_places() }}

union all

select
    {{ columns }},
    {{ turn() }} as turn,
    toUInt8(1) as is_deleted
from {{ ref('withdrawn_events') }}
where {{ concerns_lead() }}

{%- endif %}
