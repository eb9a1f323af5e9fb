{#-
  CTEs of what the leads of the turn did: `members`, `visits` and `server_events` of their visitors, `sessions` with the
  lead each is of, and their `spans` by visitor and lead.
-#}
{% macro visits_of_leads() -%}
members as (
    select * from {{ ref('lead_members') }}
),

visits as (
    select * from {{ ref('sessions') }}
    where (tenant_id, tracking_id) in (select tenant_id, tracking_id from {{ affected('lead_visitors') }})
),

sessions as (
    select
        visits.*,
        members.lead_id as lead_id
    from visits
    inner join members using (tenant_id, tracking_id)
    where {{ has_session('visits.started_at', 'visits.ended_at') }}
    -- Of somebody who came back between others, once.
    limit 1 by tenant_id, lead_id, session_id
),

spans as (
    select
        tenant_id,
        tracking_id,
        lead_id,
        groupArray((arrived_at, started_at, ended_at)) as spans
    from sessions
    group by tenant_id, tracking_id, lead_id
),

server_events as (
    select * from {{ ref('lead_events') }}
    where sent_by = 'server' and (tenant_id, tracking_id) in (select tenant_id, tracking_id from {{ affected('lead_visitors') }})
)
{%- endmacro %}
