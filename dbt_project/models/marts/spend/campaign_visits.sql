{#- A view: reads the tenant's sessions, and what campaigns they can be of. -#}
{{ config(materialized='view') }}

with

arrivals as (
    select
        tenant_id,
        session_id,
        started_at as at,
        started_date,
        landing_page,
        source,
        medium,
        campaign,
        utm_campaign,
        is_paid,
        {{ campaign_label() }} as label_id
    from {{ ref('sessions') }}
    where not is_bot
),

{{ campaign_of_arrival('arrivals') }}

select
    tenant_id,
    session_id,
    at as started_at,
    started_date,
    {{ date_in_zone('at', 'account_zone') }} as ad_date,
    landing_page,
    source,
    medium,
    campaign,
    utm_campaign,
    is_paid,
    platform,
    account_id,
    campaign_id,
    arrayMap(candidate -> (candidate.1, candidate.2), candidates) as candidates,
    reason
from of_campaigns
