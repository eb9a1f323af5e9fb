-- depends_on: {{ ref('applied_settings') }}
-- depends_on: {{ ref('request_changes') }}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='MergeTree()',
    order_by=['turn'],
    indexes=looked_up_by(['request_id']),
) }}

with

deliveries as (
    select count() as changed_deliveries
    from {{ ref('lead_deliveries') }}
    where turn = {{ turn() }}
),

pieces as (
    select max(tracking_id) as last_visitor
    from {{ ref('requested_visitors') }}
),

pieces_of_leads as (
    select max(lead_id) as last_lead
    from {{ ref('requested_leads') }}
)

select
    current_turn.turn as turn,
    current_turn.last_load as last_load,
    current_turn.started_at as started_at,
    now64(3, 'UTC') as ended_at,
    if(current_turn.takes_request, current_turn.request_kind, 'loads') as reason,
    current_turn.request_id as request_id,
    current_turn.request_tenant_id as request_tenant_id,
    if(current_turn.takes_request, greatest(pieces.last_visitor, pieces_of_leads.last_lead, current_turn.position_before), '') as position,
    toBool(assumeNotNull(current_turn.takes_request and {{ is_last_piece() }})) as is_request_done,
    assumeNotNull((select count() from {{ ref('fresh_events') }})) as events,
    assumeNotNull((select uniqExact(tenant_id, tracking_id) from {{ affected('affected_visitors') }})) as visitors,
    assumeNotNull((select uniqExact(tenant_id, lead_id) from {{ affected('affected_leads') }})) as leads,
    deliveries.changed_deliveries as deliveries,
    current_turn.quarantined as quarantined,
    current_turn.conversations_until as conversations_until,
    current_turn.deals_until as deals_until,
    -- The live path says with the statement how many rows those before it have read; a server may put its own word first.
    toUInt64OrZero(splitByChar(' ', getSetting('log_comment'))[-1]) as rows_read
from {{ ref('current_turn') }} as current_turn
cross join deliveries
cross join pieces
cross join pieces_of_leads
