{{ config(tags=['hot'], order_by=['tenant_id', 'lead_id', 'kind', 'value']) }}

with

identifying_events as (
    select * from {{ ref('events') }}
    where {{ identifies_lead() }}
),

-- Every form of a phone connects: Brazilian mobiles are known with and without the ninth digit.
stated as (
    select
        tenant_id,
        tracking_id,
        event_name,
        event_id,
        occurred_at,
        arrayJoin(arrayConcat(
            [('tracking_id', tracking_id, 1.)],
            [('email', email, 1.), ('external_id', external_id, 1.), ('phone', phone, 1.)],
            arrayMap(variant -> ('phone', variant, 0.9), arrayFilter(variant -> variant != phone, phone_variants))
        )) as identifier
    from identifying_events
    where identifier.2 != ''
),

identifiers as (
    select
        tenant_id,
        tracking_id,
        identifier.1 as kind,
        identifier.2 as value,
        max(identifier.3) as confidence,
        min((occurred_at, event_id, event_name)) as first_statement,
        max(occurred_at) as last_stated_at
    from stated
    group by tenant_id, tracking_id, kind, value
),

-- The visitor's label is when they were first identified, so that the smallest is the component's first visitor.
edges as (
    select
        tenant_id,
        tracking_id,
        kind,
        value,
        (min(first_statement.1) over (partition by tenant_id, tracking_id), tracking_id) as label
    from identifiers
),

components as (
    select
        tenant_id,
        tracking_id,
        kind,
        value,
        label.2 as lead_id
    from {{ propagate_min_label('edges', var('identity_rounds')) }}
)

select
    components.tenant_id as tenant_id,
    components.lead_id as lead_id,
    components.kind as kind,
    components.value as value,
    tupleElement(min(identifiers.first_statement), 3) as source,
    max(identifiers.confidence) as confidence,
    tupleElement(min(identifiers.first_statement), 1) as first_seen_at,
    max(identifiers.last_stated_at) as last_seen_at,
    arraySort(groupUniqArray(identifiers.tracking_id)) as tracking_ids
from components
inner join identifiers
    on
        components.tenant_id = identifiers.tenant_id
        and components.tracking_id = identifiers.tracking_id
        and components.kind = identifiers.kind
        and components.value = identifiers.value
group by tenant_id, lead_id, kind, value
