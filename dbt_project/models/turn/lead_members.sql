{#-
  Which lead each person belongs to, one row per stay: the time between a person's first statement at a visitor and the
  next person's. The first stay of a visitor begins before everything. Leads are the connected components of people and
  identifiers, named by the person who was identified first. Each round takes the smallest label around an identifier,
  then around all who have the same label, then the label of the person that it names, until a round moves none of the
  tenant's. So a chain of thousands of people takes a dozen rounds: by way of neighbours alone it would take as many as it has
  people. Operators' decisions connect leads, and take what visitors said from the rest
  (docs/decisions/0023-people-and-visitors.md).
-#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'tracking_id']) }}

with recursive

decisions as (
    select * from {{ ref('stg_operational__lead_decisions') }}
    where not is_reverted
),

splits as (
    select
        tenant_id,
        tracking_id,
        arrayStringConcat(arraySort(groupArray(decision_id)), ' ') as split_id
    from decisions
    array join tracking_ids as tracking_id
    where kind = 'split'
    group by tenant_id, tracking_id
),

edges as (
    select
        stated.tenant_id as tenant_id,
        stated.person_id as person_id,
        stated.kind as kind,
        -- A visitor's own id does not connect the people at it, and what an operator split off connects with none of the rest.
        if(stated.kind = 'tracking_id', stated.person_id, concat(splits.split_id, ' ', stated.value)) as value,
        stated.first_statement.1 as stated_at
    from {{ ref('stated_identifiers') }} as stated
    left join splits on stated.tenant_id = splits.tenant_id and stated.tracking_id = splits.tracking_id
    where not stated.is_shared
    union all
    select
        tenant_id,
        arrayJoin([lead_id, other_lead_id]) as person_id,
        'merge' as kind,
        decision_id as value,
        toDateTime64('2105-12-31 00:00:00', 3, 'UTC') as stated_at
    from decisions
    where kind = 'merge'
),

rounds as (
    select
        tenant_id,
        person_id,
        kind,
        value,
        (min(stated_at) over (partition by tenant_id, person_id), person_id) as label,
        toUInt32(0) as round,
        true as has_moved
    from edges
    where (tenant_id, person_id) in (select tenant_id, person_id from {{ ref('stated_identifiers') }})

    union all

    select
        tenant_id,
        person_id,
        kind,
        value,
        if(nearest.label_there < nearest.label_near, nearest.label_there, nearest.label_near) as label,
        round + 1 as round,
        label != nearest.label_before as has_moved
    from (
        select
            near.tenant_id as tenant_id,
            near.person_id as person_id,
            near.kind as kind,
            near.value as value,
            near.round as round,
            near.label as label_before,
            near.label_near as label_near,
            there.label as label_there
        from (
            select
                *,
                min(label_of_value) over (partition by tenant_id, label) as label_near
            from (
                select
                    *,
                    min(label) over (partition by tenant_id, kind, value) as label_of_value,
                    max(has_moved) over (partition by tenant_id) as is_moving
                from rounds
            )
            where is_moving
        ) as near
        inner join (
            select
                tenant_id,
                person_id,
                any(label) as label
            from rounds
            group by tenant_id, person_id
        ) as there on near.tenant_id = there.tenant_id and near.label_near.2 = there.person_id
    ) as nearest
),

people as (
    select
        tenant_id,
        person_id,
        tupleElement(argMax(label, round), 2) as lead_id
    from rounds
    group by tenant_id, person_id
),

stays as (
    select
        tenant_id,
        tracking_id,
        stay,
        any(person_id) as person_id,
        min((occurred_at, event_id)) as first_statement,
        max(occurred_at) as last_stated_at
    from {{ ref('lead_statements') }}
    group by tenant_id, tracking_id, stay
),

-- Also of people whose leads are not computed.
followed as (
    select
        *,
        leadInFrame(toNullable(first_statement.1)) over later as next_at,
        leadInFrame(first_statement.2) over later as next_event_id
    from stays
    window later as (
        partition by tenant_id, tracking_id order by stay rows between current row and unbounded following
    )
)

select
    followed.tenant_id as tenant_id,
    followed.tracking_id as tracking_id,
    followed.person_id as person_id,
    people.lead_id as lead_id,
    if(followed.stay = 0, toDateTime64(0, 3, 'UTC'), followed.first_statement.1) as since,
    if(followed.stay = 0, '', followed.first_statement.2) as since_event_id,
    followed.last_stated_at as last_stated_at,
    followed.next_at as next_at,
    followed.next_event_id as next_event_id
from followed
inner join people on followed.tenant_id = people.tenant_id and followed.person_id = people.person_id
