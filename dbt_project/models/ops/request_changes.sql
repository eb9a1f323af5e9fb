{#-
  Only turns that take a piece of a request run it. A lead whose visitors are in several pieces is there once for each of
  them: its first `before` and its last `after` are what the request did. Reads the leads, sessions and deliveries of the
  piece.
-#}
-- depends_on: {{ ref('affected_leads') }}
-- depends_on: {{ ref('sessions') }}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='MergeTree()',
    order_by=['request_id', 'tenant_id', 'kind', 'subject', 'turn'],
) }}

with

leads as (
    select
        tenant_id,
        lead_id,
        {{ source_of_lead() }} as source,
        {{ row_digest() }} as digest
    from {{ ref('leads') }}
    where {{ is_among('affected_leads', 'lead_id') }}
),

sessions as (
    select
        tenant_id,
        tracking_id,
        count() as sessions
    from {{ ref('sessions') }}
    where (tenant_id, tracking_id) in (select tenant_id, tracking_id from {{ ref('requested_visitors') }})
    group by tenant_id, tracking_id
),

said as (
    select tenant_id, 'lead' as kind, lead_id as subject, digest as said, false as is_after
    from {{ ref('leads_before') }}
    union all
    select tenant_id, 'lead' as kind, lead_id as subject, digest as said, true as is_after from leads
    union all
    select tenant_id, 'source' as kind, lead_id as subject, source as said, false as is_after
    from {{ ref('leads_before') }}
    union all
    select tenant_id, 'source' as kind, lead_id as subject, source as said, true as is_after from leads
    union all
    select tenant_id, 'sessions' as kind, tracking_id as subject, toString(sessions) as said, false as is_after
    from {{ ref('sessions_before') }}
    union all
    select tenant_id, 'sessions' as kind, tracking_id as subject, toString(sessions) as said, true as is_after
    from sessions
    union all
    -- Only wanted states that are others are written, and they are.
    select
        tenant_id,
        'delivery' as kind,
        concat(lead_id, ' ', destination_id) as subject,
        payload_hash as said,
        true as is_after
    from {{ ref('lead_deliveries') }}
    where turn = {{ turn() }}
)

select
    assumeNotNull((select max(request_id) from {{ ref('current_turn') }})) as request_id,
    {{ turn() }} as turn,
    tenant_id,
    kind,
    subject,
    anyIf(said.said, not is_after) as before,
    anyIf(said.said, is_after) as after
from said
where request_id != ''
group by tenant_id, kind, subject
having kind = 'lead' or before != after
