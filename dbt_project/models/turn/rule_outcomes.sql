{#-
  Which rules hold for the turn's leads, as far as that does not wait for the score: one row per lead and rule of its
  tenant, with the clauses that hold. Static SQL over rules as rows; a rule is never code. Reads the facts of these leads
  and the rules of their tenants.
-#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'lead_id', 'rule_id']) }}

with

leads as (
    select
        leads.tenant_id as tenant_id,
        leads.lead_id as lead_id,
        tenants.currency = 'BRL' as has_comma,
        {{ known_time_zone('tenants.time_zone') }} as time_zone
    from {{ ref('leads') }} as leads
    left join {{ ref('tenant_rules') }} as tenants on leads.tenant_id = tenants.tenant_id
    where {{ is_among('affected_leads', 'lead_id', 'leads') }}
),

literals as (
    select
        tenant_id,
        rule_id,
        clause_number,
        literal_number,
        literal.fact as fact,
        literal.operator as operator,
        literal.negated as negated,
        literal.texts as texts,
        literal.numbers as numbers,
        literal.days as days,
        literal.count as least
    from {{ ref('rules_in_force') }}
    array join
        clauses as clause,
        arrayEnumerate(clauses) as clause_number
    array join
        clause as literal,
        arrayEnumerate(clause) as literal_number
    where literal.fact != 'lead.score'
),

compared as (
    select
        tenant_id,
        lead_id,
        leads.time_zone as time_zone,
        literals.rule_id as rule_id,
        literals.clause_number as clause_number,
        literals.literal_number as literal_number,
        literals.fact as fact,
        literals.operator as operator,
        literals.negated as negated,
        literals.days as days,
        facts.texts as texts,
        facts.moments as moments,
        facts.not_counted as not_counted,
        if(is_there, facts.changes_at, {{ never() }}) as changes_at,
        notEmpty(facts.texts) or facts.number is not null or notEmpty(facts.moments) as is_there,
        operator in ('gt', 'gte', 'lt', 'lte', 'between') as is_comparison,
        if(
            is_comparison and facts.number is null,
            {{ written_number('facts.texts[1]', 'leads.has_comma') }},
            facts.number
        ) as number,
        arrayFilter(
            each -> days = 0 or each > {{ moment_of_turn() }} - toIntervalSecond(toUInt64(days * 86400)), facts.moments
        ) as recent,
        multiIf(
            operator = 'is_set', is_there,
            operator = 'within_days', notEmpty(recent),
            operator = 'count', length(recent) >= literals.least,
            operator = 'contains',
            arrayExists(text -> arrayExists(part -> position(text, part) > 0, literals.texts), facts.texts),
            operator = 'starts_with',
            arrayExists(text -> arrayExists(part -> startsWith(text, part), literals.texts), facts.texts),
            operator = 'regex', arrayExists(text -> match(text, concat('(?i)', literals.texts[1])), facts.texts),
            notEmpty(literals.numbers), {{ compares('operator', 'number', 'literals.numbers') }},
            arrayExists(text -> has(literals.texts, text), facts.texts)
        ) as is_so,
        -- When a time that is counted is no longer counted; `count` waits for that which makes it one too few.
        multiIf(
            operator = 'within_days', recent[1],
            operator = 'count' and days > 0, recent[literals.least],
            toDateTime64(0, 3, 'UTC')
        ) as leaves_with
    from leads
    inner join literals using (tenant_id)
    left join {{ ref('lead_facts') }} as facts using (tenant_id, lead_id, fact)
),

judged as (
    select
        *,
        is_so != negated as holds,
        least(
            changes_at,
            if(
                toUnixTimestamp64Milli(leaves_with) = 0,
                {{ never() }},
                leaves_with + toIntervalSecond(toUInt64(days * 86400))
            )
        ) as due_at,
        not holds and not negated and not_counted > 0 as is_scanned,
        concat(
            replaceRegexpOne(fact, '^(lead|field)\\.', ''),
            multiIf(
                is_scanned, concat(' not counted: ', toString(not_counted), ' within 2 s of other pages, without script'),
                not is_there, ' missing',
                is_comparison and number is null, concat(' not a number: ', substringUTF8(texts[1], 1, 100)),
                notEmpty(moments),
                concat(': ', toString(length(moments)), ', latest ', {{ json_time('moments[1]', 'time_zone') }}),
                concat(': ', if(
                    empty(texts), toString(assumeNotNull(number)), substringUTF8(arrayStringConcat(texts, ', '), 1, 100)
                ))
            )
        ) as seen
    from compared
),

clauses as (
    select
        tenant_id,
        lead_id,
        rule_id,
        clause_number,
        min(holds) as is_met,
        arrayStringConcat(
            arrayDistinct(arrayMap(each -> each.2, arraySort(groupArray((literal_number, seen))))), '; '
        ) as facts,
        arrayStringConcat(arraySort(groupUniqArrayIf(seen, is_scanned)), '; ') as scanned,
        min(due_at) as due_at
    from judged
    group by tenant_id, lead_id, rule_id, clause_number
),

found as (
    select
        tenant_id,
        lead_id,
        rule_id,
        groupArrayIf((clause_number, facts), is_met) as met,
        arrayStringConcat(arraySort(groupUniqArrayIf(scanned, scanned != '')), '; ') as scanned,
        min(due_at) as due_at
    from clauses
    group by tenant_id, lead_id, rule_id
)

select
    tenant_id,
    lead_id,
    rules.rule_id as rule_id,
    -- A clause that asks for nothing, or for the score alone, is met so far.
    arraySort(arrayConcat(
        found.met,
        arrayMap(
            number -> (number, ''), arrayFilter((number, literals) -> literals = 0, arrayEnumerate(rules.needed), rules.needed)
        )
    )) as met,
    found.scanned as scanned,
    if(found.rule_id = '', {{ never() }}, found.due_at) as due_at
from leads
inner join {{ ref('rules_in_force') }} as rules using (tenant_id)
left join found using (tenant_id, lead_id, rule_id)
