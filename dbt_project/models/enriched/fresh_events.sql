{#-
  Its own table, because planning enrichment takes the warehouse longer than running it on a few events, and an
  incremental model plans its query three times. Empty when enriched.events is about to be built whole.
-#}
{{ config(
    tags=['hot'],
    materialized='table',
    engine='MergeTree()',
    order_by=['tenant_id', 'event_id'],
    query_settings={'max_bytes_before_external_sort': 2000000000},
) }}

{%- set events = events_so_far() -%}
{%- set changed_tenants = tenants_with_changed_rules(events) if events else [] %}

with

fresh_rows as (
    select * from {{ ref('stg_collector__events') }}
    {% if not events -%}
    where false
    {% else -%}
    where
        loaded_at > (select max(loaded_at) from {{ events }}) - toIntervalMinute({{ var('load_overlap_minutes') }})
        or tenant_id in ['{{ changed_tenants | join("', '") }}']
    {% endif -%}
    order by {{ best_copy_first() }}
    limit 1 by tenant_id, event_id
),

{{ enrich_events('fresh_rows') }}

select * from enriched
