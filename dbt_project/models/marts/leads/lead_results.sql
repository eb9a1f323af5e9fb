{#-
  A result is a function of facts, rules and the day. Only the owner and what was sent to are kept from what was recorded
  before. Reads in a turn its leads, what holds for them, and their last recorded results.
-#}
-- depends_on: {{ ref('affected_leads') }}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'lead_id'],
    settings={'index_granularity': 256},
    indexes=[{'name': 'of_due', 'definition': 'due_at type minmax granularity 1'}] + looked_up_by(['lead_id']),
) }}

{%- set recorded = standing_table('marts', 'lead_result_changes') %}
{#- Rows of earlier versions do not say who the lead was. -#}
{%- set people_then = 'changes.people' if recorded and has_column(recorded, 'people') else "cast([], 'Array(String)')" %}
{%- set no_owner = "('', '', '')" %}

with

leads as (
    select
        leads.tenant_id as tenant_id,
        leads.lead_id as lead_id,
        leads.people as people,
        {{ known_time_zone('tenants.time_zone') }} as time_zone,
        {{ tenant_date(moment_of_turn(), 'time_zone') }} as today
    from {{ ref('leads') }} as leads
    left join {{ ref('tenant_rules') }} as tenants on leads.tenant_id = tenants.tenant_id
    where
        {{ is_in('affected_leads', 'lead_id') }}
        and leads.tenant_id in (select tenant_id from {{ ref('rules_in_force') }})
),

outcomes as (
    select
        tenant_id,
        lead_id,
        outcomes.rule_id as rule_id,
        outcomes.met as met,
        outcomes.scanned as scanned,
        outcomes.due_at as due_at,
        rules.name as name,
        rules.version as version,
        rules.position as position,
        rules.clauses as clauses,
        rules.actions as actions
    from {{ ref('rule_outcomes') }} as outcomes
    inner join {{ ref('rules_in_force') }} as rules using (tenant_id, rule_id)
),

givers as (
    select
        tenant_id,
        lead_id,
        rule_id,
        name,
        position,
        met[1].2 as facts,
        action_number,
        action.points as points,
        action.half_life_days as half_life,
        action.at_most as at_most,
        action.each != '' as is_each,
        if(is_each, action.each, action.since) as fact
    from outcomes
    array join
        actions as action,
        arrayEnumerate(actions) as action_number
    where action.kind = 'points' and notEmpty(met)
),

-- Each occurrence gives whole points by its age in days of the tenant's calendar. Without a time they have no age.
aged as (
    select
        tenant_id,
        lead_id,
        givers.rule_id as rule_id,
        givers.name as name,
        (givers.position, givers.action_number) as place,
        givers.facts as facts,
        givers.points as points,
        givers.half_life as half_life,
        givers.at_most as at_most,
        leads.today as today,
        leads.time_zone as time_zone,
        arrayMap(
            at -> toInt64(greatest(dateDiff('day', {{ tenant_date('at', 'leads.time_zone') }}, leads.today), 0)),
            if(givers.is_each, asked.moments, arraySlice(asked.moments, 1, 1))
        ) as found_ages,
        if(empty(found_ages) and not givers.is_each, [toInt64(0)], found_ages) as ages
    from givers
    inner join leads using (tenant_id, lead_id)
    left join {{ ref('lead_facts') }} as asked using (tenant_id, lead_id, fact)
),

given as (
    select
        tenant_id,
        lead_id,
        rule_id,
        name,
        place,
        facts,
        arraySum(arrayMap(age -> {{ decayed_points('points', 'half_life', 'age') }}, ages)) as sum_of_all,
        toInt32(if(at_most > 0, greatest(least(sum_of_all, at_most), -at_most), sum_of_all)) as given_points,
        arrayMin(arrayConcat(
            [toInt64(100000)],
            arrayMap(age -> {{ next_age_of_points('points', 'half_life', 'age') }} - age, ages)
        )) as days_left,
        if(
            days_left >= 20000,
            {{ never() }},
            {{ tenant_moment("concat(toString(today + days_left), ' 00:00:00')", 'time_zone') }}
        ) as due_at
    from aged
    union all
    -- What would count if a person had done it.
    select
        tenant_id,
        lead_id,
        rule_id,
        name,
        (position, toUInt32(0)) as place,
        scanned as facts,
        toInt64(0) as sum_of_all,
        toInt32(0) as given_points,
        toInt64(0) as days_left,
        {{ never() }} as due_at
    from outcomes
    where empty(met) and scanned != '' and arrayExists(each -> each.kind = 'points', actions)
),

scores as (
    select
        tenant_id,
        lead_id,
        sum(given_points) as score,
        arrayMap(each -> each.2, arraySort(each -> each.1, groupArrayIf(
            (place, (rule_id, name, given_points, facts)),
            given_points != 0 or place.2 = 0
        ))) as reasons,
        min(given.due_at) as due_at
    from given
    group by tenant_id, lead_id
),

-- With the score known, the rest of each clause can be decided.
decided as (
    select
        tenant_id,
        lead_id,
        outcomes.position as position,
        outcomes.name as name,
        outcomes.actions as actions
    from outcomes
    left join scores using (tenant_id, lead_id)
    where arrayExists(
        clause -> arrayAll(
            one -> one.fact != 'lead.score' or {{ compares('one.operator', 'toFloat64(scores.score)', 'one.numbers') }} != one.negated,
            outcomes.clauses[clause.1]
        ),
        outcomes.met
    )
),

-- Of several rules that set one thing the first counts.
effects as (
    select
        tenant_id,
        lead_id,
        arraySort(groupUniqArrayIf(action.name, action.kind = 'segment')) as segments,
        arraySort(groupUniqArrayIf(action.name, action.kind = 'label')) as labels,
        argMinIf(action.name, position, action.kind = 'stage') as stage,
        argMinIf(action.value, position, action.kind = 'priority') as priority,
        argMinIf((name, action), position, action.kind = 'route') as route,
        groupUniqArrayArrayIf(action.destinations, action.kind = 'send_to') as send_to,
        groupUniqArrayArrayIf(action.destinations, action.kind = 'send_to' and action.each_time) as send_each_time,
        arraySort(groupUniqArrayArrayIf(action.destinations, action.kind = 'withhold_from')) as withheld_from
    from decided
    array join actions as action
    group by tenant_id, lead_id
),

-- The last result of each person of a lead. What was recorded while others were part of it is not its own once they are not.
recorded as (
    {% if recorded -%}
    select
        tenant_id,
        people.lead_id as lead_id,
        changes.lead_id as alias,
        minIf(changes.valid_from, changes.owner != '') as owned_since,
        argMax(
            ((changes.owner, changes.team, changes.inbox), changes.send_to, {{ people_then }}),
            (hasAll(people.all_people, {{ people_then }}), changes.turn, changes.valid_from)
        ) as last
    from (
        select
            tenant_id,
            lead_id,
            people as all_people,
            arrayJoin(people) as alias
        from leads
    ) as people
    inner join {{ recorded }} as changes on people.tenant_id = changes.tenant_id and people.alias = changes.lead_id
    where (changes.tenant_id, changes.lead_id) in (select tenant_id, arrayJoin(people) from leads)
    group by tenant_id, lead_id, alias
    {%- else -%}
    select
        '' as tenant_id,
        '' as lead_id,
        '' as alias,
        {{ never() }} as owned_since,
        ({{ no_owner }}, cast([], 'Array(Tuple(String, Bool, DateTime64(3, \'UTC\')))'), cast([], 'Array(String)')) as last
    where false
    {%- endif %}
),

open_deals as (
    select
        tenant_id,
        lead_id,
        groupUniqArray(named_lead_id) as named
    from {{ ref('deals_of_leads') }}
    where status = 'open'
    group by tenant_id, lead_id
),

-- When leads become one, the owner of the one with an open deal counts, else its own, else the earliest. Once that is
-- recorded it is its own.
kept as (
    select
        recorded.tenant_id as tenant_id,
        recorded.lead_id as lead_id,
        arrayFirst(each -> each.1 = lead_id, groupArray((recorded.alias, recorded.last.3))).2 as own_people,
        any(open_deals.named) as with_deal,
        arraySort(
            each -> (
                not has(with_deal, each.1) or has(with_deal, lead_id) or has(own_people, each.1),
                each.1 != lead_id,
                each.2,
                each.1
            ),
            groupArrayIf((recorded.alias, recorded.owned_since, recorded.last.1), recorded.last.1.1 != '')
        ) as owners,
        owners[1].3 as owned,
        arrayFilter(each -> each != owned.1, arrayDistinct(arrayMap(each -> each.3.1, owners))) as gave_way,
        arraySort(each -> each.3, groupArrayArray(recorded.last.2)) as sent
    from recorded
    left join open_deals on recorded.tenant_id = open_deals.tenant_id and recorded.lead_id = open_deals.lead_id
    group by tenant_id, lead_id
),

-- Whom their Chatwoot has no more, by name and e-mail; a new account of the same name is there.
gone_agents as (
    select
        tenant_id,
        arrayJoin([lowerUTF8(trim(name)), lowerUTF8(trim(email))]) as name_key
    from {{ ref('chat_presence') }}
    where tenant_id in (select tenant_id from leads)
    group by tenant_id, name_key
    having min(is_gone) and name_key != ''
),

-- Who is away today, or has as many open conversations as they are given.
held_members as (
    select
        members.tenant_id as tenant_id,
        members.kind as kind,
        -- A rule may say the name where a limit says the e-mail.
        arrayJoin(arrayPushFront(if(members.kind = 'agent', loads.every_name, []), members.name_key)) as name_key
    from {{ ref('stg_operational__chat_members') }} as members
    inner join (
        select distinct
            tenant_id,
            today
        from leads
    ) as days on members.tenant_id = days.tenant_id
    left join (
        select
            tenant_id,
            kind,
            arrayJoin(name_keys) as name_key,
            groupUniqArrayArray(name_keys) as every_name,
            max(open_conversations) as conversations
        from {{ ref('chat_loads') }}
        where tenant_id in (select tenant_id from {{ ref('stg_operational__chat_members') }})
        group by tenant_id, kind, name_key
    ) as loads
        on
            members.tenant_id = loads.tenant_id
            and members.kind = loads.kind
            and members.name_key = loads.name_key
    where
        (members.most_open >= 0 and loads.conversations >= members.most_open)
        or days.today between members.away_from and members.away_until
),

held_back as (
    select
        tenant_id,
        groupUniqArrayIf(name_key, kind = 'agent') as agents_held,
        groupUniqArrayIf(name_key, kind = 'team') as teams_held
    from (
        select
            tenant_id,
            kind,
            name_key
        from held_members
        union all
        select
            tenant_id,
            'agent' as kind,
            name_key
        from gone_agents
    )
    group by tenant_id
),

-- The choice by weight depends on the lead and the agents alone: each agent's hash, stretched by the weight. An agent who
-- is held back gets no new leads.
routed as (
    select
        tenant_id,
        lead_id,
        effects.* except (tenant_id, lead_id),
        leads.people as people,
        kept.owned as owned,
        kept.gave_way as gave_way,
        kept.sent as sent,
        effects.route.1 as route_name,
        effects.route.2 as action,
        arraySort(
            each -> (
                -log((sipHash64(leads.tenant_id, leads.lead_id, each.agent) + 1) / 18446744073709551616) / each.weight,
                each.agent
            ),
            arrayFilter(
                each -> each.agent = owned.1 or not has(held_back.agents_held, lowerUTF8(trim(each.agent))), action.agents
            )
        )[1].agent as free_agent,
        action.team != owned.2 and has(held_back.teams_held, lowerUTF8(trim(action.team))) as is_team_full,
        (notEmpty(action.agents) and free_agent = '') or is_team_full as is_nobody_free,
        if(is_team_full, '', free_agent) as chosen,
        owned.1 not in ('', chosen) and (route_name = '' or action.keep_owner) as is_kept
    from leads
    left join effects using (tenant_id, lead_id)
    left join kept using (tenant_id, lead_id)
    left join held_back using (tenant_id)
),

versions as (
    select
        tenant_id,
        any(version) as version
    from {{ ref('rules_in_force') }}
    group by tenant_id
),

looks as (
    select
        tenant_id,
        lead_id,
        min(outcomes.due_at) as due_at
    from outcomes
    group by tenant_id, lead_id
),

computed as (
    select
        tenant_id,
        lead_id,
        versions.version as version,
        scores.score as score,
        scores.reasons as reasons,
        routed.segments as segments,
        routed.labels as labels,
        routed.stage as stage,
        routed.priority as priority,
        if(is_kept, owned.3, action.inbox) as inbox,
        multiIf(
            is_kept, owned.2,
            is_nobody_free and action.fallback_team != '', action.fallback_team,
            action.team
        ) as team,
        if(is_kept, owned.1, chosen) as owner,
        action.fallback_team as fallback_team,
        concat(
            multiIf(
                route_name = '', if(is_kept, 'kept; no rule routes it', ''),
                is_kept and chosen != '', concat('kept; rule ', route_name, ' would have chosen ', chosen),
                is_kept and action.team not in ('', owned.2),
                concat('kept; rule ', route_name, ' would have chosen ', action.team),
                is_kept, concat('kept; rule ', route_name),
                is_nobody_free, concat('rule ', route_name, '; nobody whom it names is free'),
                concat('rule ', route_name)
            ),
            if(
                empty(gave_way) or owned.1 = '', '',
                concat('; ', arrayStringConcat(gave_way, ' and '), ' owned what became part of it')
            )
        ) as route_reason,
        arrayMap(
            place -> (
                place,
                toBool(has(routed.send_to, place)),
                multiIf(
                    not arrayExists(each -> each.1 = place, sent), {{ moment_of_turn() }},
                    has(send_each_time, place) and not arrayExists(each -> each.1 = place and each.2, sent),
                    {{ moment_of_turn() }},
                    arrayFirst(each -> each.1 = place, sent).3
                )
            ),
            arraySort(arrayDistinct(arrayConcat(routed.send_to, arrayMap(each -> each.1, sent))))
        ) as send_to,
        routed.withheld_from as withheld_from,
        {{ moment_of_turn() }} as evaluated_at,
        routed.people as people,
        least(
            if(is_nobody_free and not is_kept, {{ moment_of_turn() }} + interval 5 minute, {{ never() }}),
            if(looks.lead_id = '', {{ never() }}, looks.due_at),
            if(scores.lead_id = '', {{ never() }}, scores.due_at)
        ) as due_at
    from routed
    left join scores using (tenant_id, lead_id)
    left join versions using (tenant_id)
    left join looks using (tenant_id, lead_id)
)

{{ versions('computed', rows_of_affected_leads(), ['tenant_id', 'lead_id']) }}
