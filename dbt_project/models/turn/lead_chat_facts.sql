{#-
  What rules ask of the conversations of the turn's leads, in the form of lead_facts: of the conversation in which something
  was said last, and how many there are. Reads these conversations, the names of their inboxes and teams, and the tenants'
  hours.
-#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'lead_id', 'fact']) }}

{%- set no_moments = "cast([], 'Array(DateTime64(3, \\'UTC\\'))')" %}
{%- set no_texts = "cast([], 'Array(String)')" %}
{%- set no_number = "cast(null, 'Nullable(Float64)')" %}
{%- set texts = {
    'status': '[last.1]', 'inbox': '[inboxes.name]', 'inbox_kind': "[replaceOne(last.3, 'Channel::', '')]", 'team': '[teams.name]',
    'agent': '[agents.name]', 'priority': '[last.6]', 'label': 'last.7',
} %}
{%- set numbers = {
    'count': 'conversations',
    'messages': 'messages',
    'first_response_minutes': 'answered_after / 60',
    'waiting_minutes': 'waited / 60',
} %}
{%- set times = {'opened_at': 'last.8', 'last_message_at': 'last.9', 'waiting_since': 'last.12'} %}

with

asked as (
    select distinct
        tenant_id,
        arrayJoin(facts) as fact
    from {{ ref('rules_in_force') }}
    where startsWith(fact, 'conversation.')
),

-- What numbers are compared with: the next of them is when waiting changes a rule.
limits as (
    select
        tenant_id,
        groupUniqArrayArray(literal.numbers) as waiting_limits
    from {{ ref('rules_in_force') }}
    array join arrayFlatten(clauses) as literal
    where literal.fact = 'conversation.waiting_minutes'
    group by tenant_id
),

last_ones as (
    select
        tenant_id,
        lead_id,
        count() as conversations,
        sum(customer_messages) as messages,
        argMax((
            status,
            inbox_id,
            inbox_kind,
            team_id,
            assignee_id,
            priority,
            labels,
            toNullable(opened_at),
            last_message_at,
            first_customer_message_at,
            first_response_at,
            if(status = 'resolved', null, waiting_since),
            account_id
        ), (coalesce(last_message_at, opened_at), account_id, conversation_id)) as last
    from {{ ref('lead_conversations') }}
    where tenant_id in (select tenant_id from asked)
    group by tenant_id, lead_id
),

names as (
    select
        tenant_id,
        account_id,
        kind,
        record_id,
        name
    from {{ ref('chat_names') }}
    where tenant_id in (select tenant_id from asked)
),

timed as (
    select
        last_ones.tenant_id as tenant_id,
        last_ones.lead_id as lead_id,
        last_ones.conversations as conversations,
        last_ones.messages as messages,
        last_ones.last as last,
        hours.weekly as weekly,
        hours.special_days as special_days,
        limits.waiting_limits as waiting_limits,
        {{ local_seconds('assumeNotNull(last.10)', 'hours.time_zone') }} as asked_local,
        {{ local_seconds('assumeNotNull(last.11)', 'hours.time_zone') }} as answered_local,
        {{ local_seconds('assumeNotNull(last.12)', 'hours.time_zone') }} as waiting_local,
        {{ local_seconds(moment_of_turn(), 'hours.time_zone') }} as present_local
    from last_ones
    left join {{ ref('chat_hours') }} as hours on last_ones.tenant_id = hours.tenant_id
    left join limits on last_ones.tenant_id = limits.tenant_id
),

counted as (
    select
        *,
        if(
            last.10 is null or last.11 is null,
            null,
            {{ business_seconds('asked_local', 'answered_local', 'weekly', 'special_days') }}
        ) as answered_after,
        if(
            last.12 is null,
            null,
            {{ business_seconds('waiting_local', 'greatest(waiting_local, present_local)', 'weekly', 'special_days') }}
        ) as waited
    from timed
),

looked_at as (
    select
        *,
        arrayMin(arrayConcat(
            [toFloat64(10000000)], arrayFilter(limit -> limit * 60 > assumeNotNull(waited), waiting_limits)
        )) as next_limit,
        {{ seconds_to_look(
            'present_local', 'toInt64(ceil(next_limit * 60)) - assumeNotNull(waited)', 'weekly', 'special_days'
        ) }} as next_look,
        if(
            waited is null or next_limit = 10000000,
            {{ never() }},
            {{ moment_of_turn() }} + toIntervalSecond(greatest(next_look, 1))
        ) as waits_until
    from counted
),

known as (
    select
        looked_at.tenant_id as tenant_id,
        looked_at.lead_id as lead_id,
        arrayJoin([
            {%- for name, sql in texts.items() %}
            (
                'conversation.{{ name }}', arrayFilter(text -> text != '', arrayMap(text -> {{ folded('text') }}, {{ sql }})),
                {{ no_number }}, {{ no_moments }}, {{ never() }}
            ),
            {%- endfor %}
            {%- for name, sql in numbers.items() %}
            {%- set changes = 'waits_until' if name == 'waiting_minutes' else never() %}
            (
                'conversation.{{ name }}', {{ no_texts }}, cast({{ sql }}, 'Nullable(Float64)'), {{ no_moments }}, {{ changes }}
            ),
            {%- endfor %}
            {%- for name, sql in times.items() %}
            (
                'conversation.{{ name }}', {{ no_texts }}, {{ no_number }},
                if({{ sql }} is null, {{ no_moments }}, [assumeNotNull({{ sql }})]), {{ never() }}
            ){{ ',' if not loop.last }}
            {%- endfor %}
        ]) as each
    from looked_at
    left join names as inboxes
        on
            looked_at.tenant_id = inboxes.tenant_id
            and looked_at.last.13 = inboxes.account_id
            and looked_at.last.2 = inboxes.record_id
            and inboxes.kind = 'inbox'
    left join names as teams
        on
            looked_at.tenant_id = teams.tenant_id
            and looked_at.last.13 = teams.account_id
            and looked_at.last.4 = teams.record_id
            and teams.kind = 'team'
    left join names as agents
        on
            looked_at.tenant_id = agents.tenant_id
            and looked_at.last.13 = agents.account_id
            and looked_at.last.5 = agents.record_id
            and agents.kind = 'agent'
)

select
    tenant_id,
    lead_id,
    each.1 as fact,
    each.2 as texts,
    -- Of minutes the whole ones, as people say them.
    if(each.1 like '%_minutes', floor(each.3), each.3) as number,
    each.4 as moments,
    each.5 as changes_at
from known
where
    (tenant_id, each.1) in (select tenant_id, fact from asked)
    and (notEmpty(each.2) or each.3 is not null or notEmpty(each.4))
