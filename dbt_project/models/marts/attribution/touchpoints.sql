{{ config(materialized='view') }}

select
    tenant_id,
    lead_id,
    session_id,
    tracking_id,
    toUInt32(row_number() over (partition by tenant_id, lead_id order by touch_at, session_id)) as touchpoint_number,
    touch_at as started_at,
    landing_page,
    source,
    medium,
    campaign,
    channel,
    is_paid
from {{ ref('lead_touches') }}
where origin = 'session'
