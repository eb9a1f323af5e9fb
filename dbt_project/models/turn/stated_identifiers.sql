{#-
  What the visitors of affected leads said who they are, without values that many people give. Reads their identifying
  events.
-#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'kind', 'value']) }}

with

stated as (
    select
        tenant_id,
        tracking_id,
        event_name,
        event_id,
        occurred_at,
        arrayJoin({{ identifiers_of_event() }}) as identifier
    from {{ ref('lead_events') }}
    where
        {{ identifies_lead() }}
        and (tenant_id, tracking_id) in (select tenant_id, tracking_id from {{ affected('lead_visitors') }})
)

select
    tenant_id,
    tracking_id,
    identifier.1 as kind,
    identifier.2 as value,
    max(identifier.3) as confidence,
    min((occurred_at, event_id, event_name)) as first_statement,
    max(occurred_at) as last_stated_at
from stated
where {{ connects('identifier.1', 'identifier.2') }}
group by tenant_id, tracking_id, kind, value
