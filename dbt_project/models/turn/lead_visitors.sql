{#-
  The visitors whose leads the turn computes: affected visitors, and the people of every lead they belonged to or share an
  identifier with now. A lead shares no identifier with another one, so that more need not be looked at. At an affected
  visitor everybody is computed (person_id ''), at the others the people of these leads alone. `lead_id` is the lead before
  the turn. Reads identifying events of affected visitors, and identities and leads by their keys.
-#}
-- depends_on: {{ ref('affected_visitors') }}
-- depends_on: {{ ref('due_leads') }}
-- depends_on: {{ ref('requested_leads') }}
-- depends_on: {{ ref('worthless_identifiers') }}
-- depends_on: {{ ref('recounted_values') }}
-- depends_on: {{ ref('stg_operational__lead_decisions') }}
{{ affected_set(['tenant_id', 'tracking_id']) }}

{%- set identities = built_so_far('marts', 'identities') %}
{%- set leads = built_so_far('marts', 'leads') %}
{%- set crowded_values = built_so_far('staging', 'crowded_values') %}
{%- set is_turn = identities and leads and crowded_values %}
{%- set is_affected = "(tenant_id, tracking_id) in (select tenant_id, tracking_id from affected)" if is_turn else "true" %}

with

{% if is_turn -%}

decided as (
    select
        tenant_id,
        decision_id,
        arrayJoin(
            arrayMap(person -> {{ visitor_of_person('person') }}, arrayConcat([lead_id, other_lead_id], tracking_ids))
        ) as tracking_id
    from {{ ref('stg_operational__lead_decisions') }}
),

-- An operator's decision about one visitor concerns the others it names, also when it is reverted.
affected as (  -- noqa: ST03
    select
        tenant_id,
        tracking_id
    from {{ affected('affected_visitors') }}
    union all
    select
        tenant_id,
        tracking_id
    from decided
    where (tenant_id, decision_id) in (
        select
            tenant_id,
            decision_id
        from decided
        where {{ is_among('affected_visitors', 'tracking_id') }}
    )
),

{% endif -%}

identified as (
    select * from {{ ref('lead_events') }}
    where
        {{ identifies_lead() }}
        and {{ is_affected }}
)

{%- if is_turn %},

named as (
    select distinct
        tenant_id,
        arrayJoin({{ identifiers_of_event() }}) as identifier
    from identified
    where {{ connects('identifier.1', 'identifier.2') }}
),

concerned_leads as (
    select
        tenant_id,
        lead_id
    from {{ identities }}
    where (tenant_id, kind, value) in (
        select
            tenant_id,
            identifier.1,
            identifier.2
        from named
        where (tenant_id, identifier.1, identifier.2) not in (select tenant_id, kind, value from {{ crowded_values }})
        union all
        select
            tenant_id,
            kind,
            value
        from {{ ref('recounted_values') }}
        union all
        select
            tenant_id,
            'tracking_id' as kind,
            tracking_id
        from affected
        union all
        select
            tenant_id,
            'tracking_id' as kind,
            {{ visitor_of_person('lead_id') }} as value
        from {{ ref('due_leads') }}
        where is_told and {{ turn_of_request() }} = ''
    )
),

known_people as (
    select
        tenant_id,
        arrayJoin(people) as person_id,
        lead_id
    from {{ leads }}
    where (tenant_id, lead_id) in (
        select
            tenant_id,
            lead_id
        from concerned_leads
        union all
        select
            tenant_id,
            lead_id
        from {{ ref('due_leads') }}
        where not is_told and {{ turn_of_request() }} = ''
        union all
        select
            tenant_id,
            lead_id
        from {{ ref('requested_leads') }}
    )
)

select distinct
    tenant_id,
    tracking_id,
    person_id,
    lead_id,
    {{ turn_of_request() }} as request_id
from (
    select
        tenant_id,
        tracking_id,
        '' as person_id,
        '' as lead_id
    from identified
    union all
    select
        tenant_id,
        {{ visitor_of_person('person_id') }} as tracking_id,
        person_id,
        lead_id
    from known_people
)

{%- else %}

select distinct
    tenant_id,
    tracking_id,
    '' as person_id,
    '' as lead_id,
    {{ turn_of_request() }} as request_id
from identified

{%- endif %}
