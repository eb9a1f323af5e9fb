{#-
  A view, as a table would hold every event once more. No ASOF JOIN: the warehouse would read the sessions of everybody for the
  events of one visitor, while the conditions of a reader on tenant and visitor pass through this join to both tables.
-#}
{{ config(materialized='view') }}

select
    events.tenant_id as tenant_id,
    sessions.session_id as session_id,
    sessions.session_number as session_number,
    events.tracking_id as tracking_id,
    events.event_id as event_id,
    events.event_name as event_name,
    events.occurred_at as occurred_at,
    events.occurred_date as occurred_date,
    events.page_url as page_url,
    events.page_path as page_path,
    events.page_title as page_title,
    events.page_referrer as page_referrer,
    events.properties as properties,
    events.client_session_id as client_session_id
from {{ ref('events') }} as events
inner join {{ ref('sessions') }} as sessions
    on events.tenant_id = sessions.tenant_id and events.tracking_id = sessions.tracking_id
where
    events.sent_by != 'server'
    and events.occurred_at between sessions.started_at and sessions.ended_at
