{#-
  What each person of affected leads said who they are. A phone that several people at one device state
  as theirs, with other e-mails and names, is the device's and left out. A value that too many visitors state is shared: it
  connects nobody. Of a value that was not shared before, every visitor who states it is among these visitors; one that was
  is shared still, unless all who state it are looked at.
-#}
-- depends_on: {{ ref('recounted_values') }}
-- depends_on: {{ ref('lead_visitors') }}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'kind', 'value']) }}

{%- set people = "(select tenant_id, tracking_id, person_id from " ~ affected('lead_visitors') ~ ")" %}
{%- set crowded_values = built_so_far('staging', 'crowded_values') %}

with

stated as (
    select
        * except (identifiers),
        arrayJoin(identifiers) as identifier
    from {{ ref('lead_statements') }}
),

compared as (
    select
        *,
        identifier.1 = 'phone'
        and uniqExact(person_id) over same_value > 1
        and uniqExactIf(known_email, known_email != '') over same_value > 1
        and uniqExactIf(known_name, known_name != '') over same_value > 1 as is_of_the_device
    from stated
    window same_value as (partition by tenant_id, tracking_id, identifier.1, identifier.2)
),

by_person as (
    select
        tenant_id,
        tracking_id,
        person_id,
        identifier.1 as kind,
        identifier.2 as value,
        max(identifier.3) as confidence,
        min((occurred_at, event_id, event_name)) as first_statement,
        max(occurred_at) as last_stated_at
    from compared
    where
        not is_of_the_device
        and ((tenant_id, tracking_id, person_id) in {{ people }} or (tenant_id, tracking_id, '') in {{ people }})
    group by tenant_id, tracking_id, person_id, kind, value
)

select
    *,
    kind != 'tracking_id' and (
        uniqExact(tracking_id) over (partition by tenant_id, kind, value) > {{ var('visitors_per_value') }}
        {%- if crowded_values %}
        or (tenant_id, kind, value) in (
            select tenant_id, kind, value from {{ crowded_values }}
            where (tenant_id, kind, value) not in (select tenant_id, kind, value from {{ ref('recounted_values') }})
        )
        {%- endif %}
    ) as is_shared
from by_person
