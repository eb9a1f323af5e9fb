{#-
  Reads in a turn its new events alone. An event lies at its time, so that a copy which is better than the one that was
  counted, but happened at another moment, leaves an end at the place of the other.
-#}
-- depends_on: {{ ref('fresh_events') }}
-- depends_on: {{ ref('withdrawn_events') }}
-- depends_on: {{ ref('stg_collector__events') }}
-- depends_on: {{ ref('stg_operational__quarantine') }}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    partition_by='toYYYYMM(occurred_at)',
    order_by=['tenant_id', 'tracking_id', 'occurred_at', 'event_id'],
    settings={'index_granularity': 1024},
    indexes=looked_up_by(['event_id']),
    query_settings={'max_partitions_per_insert_block': 0, 'max_bytes_before_external_group_by': 2000000000},
) }}

{%- set columns = own_columns() | join(', ') %}

with

{% if not is_incremental() -%}

raw_rows as (
    select * from {{ ref('stg_collector__events') }}
    where (tenant_id, tracking_id) not in (select tenant_id, tracking_id from {{ ref('stg_operational__quarantine') }})
),

repeated as (
    select
        tenant_id,
        tracking_id,
        event_id
    from raw_rows
    group by tenant_id, tracking_id, event_id
    having count() > 1
),

-- Only events that are there twice are sorted: sorting all of history by event would take its size in memory.
distinct_rows as (
    select * from raw_rows
    where (tenant_id, tracking_id, event_id) not in (select tenant_id, tracking_id, event_id from repeated)
    union all
    select * from (
        select * from raw_rows
        where (tenant_id, tracking_id, event_id) in (select tenant_id, tracking_id, event_id from repeated)
        order by {{ best_copy_first() }}
        limit 1 by tenant_id, tracking_id, event_id
    )
),

{{ enrich_events('distinct_rows') }}

select
    *,
    {{ turn() }} as turn,
    toUInt8(0) as is_deleted
from enriched

{%- else -%}

fresh_events as (
    select * from {{ ref('fresh_events') }}
)

select
    {{ columns }},
    {{ turn() }} as turn,
    toUInt8(0) as is_deleted
from fresh_events

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

{%- endif %}
