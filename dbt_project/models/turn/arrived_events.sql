{#-
  What the turn takes from raw: of the copies of an event in its loads the one received first, unless a better one has
  been taken before. Rows that are quarantined are left out. Or, in a piece of a request, the events of its visitors. Empty when everything is built.

  Its own table, as is fresh_events behind it: the warehouse takes longer to plan these queries than to run them on a few
  events, and planning grows faster than the query. Reads of raw the loads of the turn, by their days and the index over
  `load_seq`; of enriched.events the versions of the same events, by visitor and the index over `event_id`.
-#}
{{ config(
    tags=['turn'],
    materialized='table',
    engine='MergeTree()',
    order_by=['tenant_id', 'tracking_id', 'event_id'],
    query_settings={'final': 0, 'max_bytes_before_external_sort': 2000000000},
) }}

{%- set events = built_so_far('enriched', 'events') %}
{%- set turn = ref('current_turn') %}
{%- set received = source('collector', 'events') %}

with

received_events as (
    select * from {{ received }}
    where
        load_seq > (select max(load_before) from {{ turn }})
        and load_seq <= (select max(last_load) from {{ turn }})
        and received_at >= (select min(oldest_received_at) from {{ turn }})
        and received_at <= (select max(newest_received_at) from {{ turn }})
        and not {{ is_quarantined() }}
        {{ '' if events else 'and false' }}
    union all
    select * from {{ received }}
    where
        (tenant_id, tracking_id) in (select tenant_id, tracking_id from {{ ref('requested_visitors') }})
        and received_at >= (select max(request_received_from) from {{ turn }})
        and received_at < (select max(request_received_before) from {{ turn }})
        and not {{ is_quarantined() }}
),

best_copies as (
    select * from (
        {{ staged_events('received_events') }}
    )
    order by {{ best_copy_first() }}
    limit 1 by tenant_id, tracking_id, event_id
)

{%- if events %},

-- An end is written for a copy that is worse than another, so that the best one is not among the ends; or for all copies,
-- when their visitor is quarantined. Merges leave the ends alone then, and what comes back is taken as new.
known as (
    select
        tenant_id,
        tracking_id,
        event_id,
        minIf(({{ best_copy_first() }}), is_deleted = 0) as best_copy,
        countIf(is_deleted = 0) as copies,
        groupUniqArray(occurred_at) as places
    from {{ events }}
    where
        (tenant_id, tracking_id) in (select tenant_id, tracking_id from received_events)
        and event_id in (select event_id from received_events)
    group by tenant_id, tracking_id, event_id
)

select
    best_copies.*,
    known.places as places
from best_copies
left join known using (tenant_id, tracking_id, event_id)
where known.copies = 0 or ({{ best_copy_first() }}) <= known.best_copy

{%- else %}

select
    *,
    cast([], 'Array(DateTime64(3, \'UTC\'))') as places
from best_copies

{%- endif %}
