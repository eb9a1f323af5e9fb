-- depends_on: {{ ref('applied_settings') }}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='MergeTree()',
    order_by=['turn'],
) }}

with

deliveries as (
    select count() as changed_deliveries
    from {{ ref('lead_deliveries') }}
    where turn = {{ turn() }}
)

select
    current_turn.turn as turn,
    current_turn.last_load as last_load,
    current_turn.started_at as started_at,
    now64(3, 'UTC') as ended_at,
    assumeNotNull((select count() from {{ ref('fresh_events') }})) as events,
    assumeNotNull((select uniqExact(tenant_id, tracking_id) from {{ affected('affected_visitors') }})) as visitors,
    assumeNotNull((select uniqExact(tenant_id, lead_id) from {{ affected('affected_leads') }})) as leads,
    deliveries.changed_deliveries as deliveries
from {{ ref('current_turn') }} as current_turn
cross join deliveries
