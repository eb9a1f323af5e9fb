{#- The events of the turn, enriched. `places` are the times at which versions of the event lie already. -#}
{{ config(
    tags=['turn'],
    materialized='table',
    engine='MergeTree()',
    order_by=['tenant_id', 'tracking_id', 'event_id'],
) }}

with

{{ enrich_events(ref('arrived_events'), kept=['places']) }}

select
    * except (places),
    arrayFilter(place -> place != occurred_at, places) as other_places,
    notEmpty(places) as is_known
from enriched
