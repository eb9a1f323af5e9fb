{{ config(tags=['console'], order_by=['tenant_id', 'lead_id', 'started_at', 'session_id']) }}

with

visitors as (
    select
        tenant_id,
        lead_id,
        value as tracking_id
    from {{ ref('identities') }}
    where kind = 'tracking_id'
),

sessions as (
    select * from {{ ref('sessions') }}
)

select
    sessions.tenant_id as tenant_id,
    visitors.lead_id as lead_id,
    sessions.session_id as session_id,
    sessions.tracking_id as tracking_id,
    toUInt32(row_number() over (
        partition by tenant_id, lead_id order by sessions.started_at, sessions.session_id
    )) as touchpoint_number,
    sessions.started_at as started_at,
    sessions.started_date as started_date,
    sessions.landing_page as landing_page,
    sessions.source as source,
    sessions.medium as medium,
    sessions.campaign as campaign,
    sessions.channel as channel,
    sessions.is_paid as is_paid
from sessions
inner join visitors on sessions.tenant_id = visitors.tenant_id and sessions.tracking_id = visitors.tracking_id
