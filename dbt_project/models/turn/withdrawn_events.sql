{#-
  What the tables still hold of visitors who are quarantined since the last turn: each event gets an end. Empty in nearly
  every turn, and the live path leaves it out then. Reads the events of these visitors.
-#}
-- depends_on: {{ ref('current_turn') }}
-- depends_on: {{ ref('stg_operational__quarantine') }}
-- depends_on: {{ ref('fresh_events') }}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'tracking_id', 'event_id']) }}

{%- set events = built_so_far('enriched', 'events') %}

{% if events -%}

select * except (turn, is_deleted)
from {{ events }}
where
    (tenant_id, tracking_id) in (
        select
            tenant_id,
            tracking_id
        from {{ ref('stg_operational__quarantine') }}
        where quarantine_id in (select arrayJoin(entering) from {{ ref('current_turn') }})
    )

{%- else -%}

select * except (other_places, is_known)
from {{ ref('fresh_events') }}
where false

{%- endif %}
