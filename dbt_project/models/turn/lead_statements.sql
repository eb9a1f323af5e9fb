{#-
  Who the visitors of affected leads said they are, one row per identifying event, and which person at the visitor says it:
  several can use one device (macros/is_another_person.sql). The statements of a visitor are read in the order they were
  made. The first person has the visitor's id, the others the id and a hash of the first identifier they stated. Reads
  the identifying events of these visitors.
-#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'tracking_id']) }}

with

said as (
    select
        tenant_id,
        tracking_id,
        event_id,
        event_name,
        occurred_at,
        email,
        name,
        arrayFilter(
            identifier -> {{ connects('identifier.1', 'identifier.2') }}, {{ identifiers_of_event() }}
        ) as identifiers
    from {{ ref('lead_events') }}
    where
        {{ identifies_lead() }}
        and {{ is_among('lead_visitors', 'tracking_id') }}
),

statements as (
    select
        *,
        {% for kind in ['email', 'phone', 'external_id'] -%}
        arrayMap(
            identifier -> identifier.2, arrayFilter(identifier -> identifier.1 = '{{ kind }}', identifiers)
        ) as {{ kind }}s,
        {% endfor -%}
        -- The first word alone, so that Ana is Ana Souza.
        {{ first_word('name') }} as first_name,
        arrayConcat(emails, arrayReverseSort(phone -> length(phone), phones), external_ids, [concat(email, ' ', first_name)])[1]
            as identity,
        concat(tracking_id, '.', substring(lower(hex(sipHash128(identity))), 1, 12)) as person_id
    from said
),

visitors as (
    select
        tenant_id,
        tracking_id,
        arraySort(groupArray((
            occurred_at, event_id, event_name, identifiers, email, notEmpty(emails), phones, external_ids, first_name,
            person_id
        ))) as story
    from statements
    group by tenant_id, tracking_id
),

-- A person is: how many were there before, who, and the e-mail, phones, external ids and first name known so far.
told_apart as (
    select
        tenant_id,
        tracking_id,
        story,
        tupleElement(arrayFold(
            (so_far, said) -> arrayMap(
                person -> (person, arrayPushBack(so_far.2, person)),
                arrayMap(
                    is_other -> (
                        so_far.1.1 + is_other,
                        if(is_other, said.10, so_far.1.2),
                        if(is_other or said.5 != '', said.5, so_far.1.3),
                        if(is_other or notEmpty(said.7), said.7, so_far.1.4),
                        if(is_other or notEmpty(said.8), said.8, so_far.1.5),
                        if(is_other or said.9 != '', said.9, so_far.1.6)
                    ),
                    [{{ is_another_person('said', 'so_far.1') }}]
                )
            )[1],
            story,
            (
                (toUInt64(0), tracking_id, '', cast([], 'Array(String)'), cast([], 'Array(String)'), ''),
                cast([], 'Array(Tuple(UInt64, String, String, Array(String), Array(String), String))')
            )
        ), 2) as people
    from visitors
)

select
    tenant_id,
    tracking_id,
    statement.1 as occurred_at,
    statement.2 as event_id,
    statement.3 as event_name,
    statement.4 as identifiers,
    person.1 as stay,
    person.2 as person_id,
    person.3 as known_email,
    person.6 as known_name
from told_apart
array join
    story as statement,
    people as person
