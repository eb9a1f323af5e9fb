{#-
  Incremental by insert_overwrite of UTC days: enriched.fresh_events holds what is new, and the days it touches are
  written whole, with the rows of those days that nothing new concerns. Why this equals a full refresh is told in
  docs/decisions/0005-identity-and-attribution.md.
-#}
-- depends_on: {{ ref('fresh_events') }}
{{ config(
    tags=['hot'],
    materialized='incremental',
    incremental_strategy='insert_overwrite',
    engine='MergeTree()',
    partition_by='toYYYYMMDD(occurred_at)',
    order_by=['tenant_id', 'tracking_id', 'occurred_at', 'event_id'],
    query_settings={'max_partitions_per_insert_block': 0, 'max_bytes_before_external_group_by': 2000000000},
    post_hook="{{ drop_superseded_copies() }}",
) }}

with

{% if not is_incremental() -%}

raw_rows as (
    select * from {{ ref('stg_collector__events') }}
),

repeated as (
    select
        tenant_id,
        event_id
    from raw_rows
    group by tenant_id, event_id
    having count() > 1
),

-- Only events that are there twice are sorted: sorting all of history by event would take its size in memory.
distinct_rows as (
    select * from raw_rows
    where (tenant_id, event_id) not in (select tenant_id, event_id from repeated)
    union all
    select * from (
        select * from raw_rows
        where (tenant_id, event_id) in (select tenant_id, event_id from repeated)
        order by {{ best_copy_first() }}
        limit 1 by tenant_id, event_id
    )
),

{{ enrich_events('distinct_rows') }}

select * from enriched

{%- else -%}

fresh_events as (
    select * from {{ ref('fresh_events') }}
),

known_copies as (
    select * from {{ this }}
    where (tenant_id, event_id) in (select tenant_id, event_id from fresh_events)
),

-- Of an event known before, the version enriched under the rules of now, then the better copy.
winners as (
    select * except (is_known) from (
        select *, false as is_known from fresh_events
        union all
        select *, true as is_known from known_copies
    )
    order by {{ best_copy_first() }}, is_known
    limit 1 by tenant_id, event_id
),

touched_days as (
    select toYYYYMMDD(occurred_at) as day from fresh_events
    union distinct
    select toYYYYMMDD(occurred_at) as day from known_copies
)

select * from winners
union all
select * from {{ this }}
where
    toYYYYMMDD(occurred_at) in (select day from touched_days)
    and (tenant_id, event_id) not in (select tenant_id, event_id from fresh_events)

{%- endif %}
