{#-
  What the rules of a tenant can ask of the turn's leads, by the names of `echolead/rules/facts.py`, as far as they ask.
  Texts are folded; a list has several. A fact that is missing has no row. Reads these leads, their sessions and moments,
  and what their forms and servers said.
-#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'lead_id', 'fact']) }}

{#- Of one value of a form so many elements and characters are kept. #}
{%- set most_elements = 100 %}
{%- set most_characters = 200 %}
{%- set region_fields = "('state', 'uf', 'estado', 'region')" %}
{%- set city_fields = "('city', 'cidade')" %}
{%- set no_moments = "cast([], 'Array(DateTime64(3, \\'UTC\\'))')" %}
{%- set texts = {
    'email': 'email',
    'email_domain': "if(position(email, '@') > 0, splitByChar('@', email)[-1], '')",
    'phone': 'phone',
    'phone_country': "if(startsWith(phone, '+55'), 'BR', '')",
    'phone_area': 'area_code',
    'company': 'company',
    'external_id': 'external_id',
    'country': 'country',
    'region': "coalesce(nullIf(said_region, ''), area_region)",
    'city': 'said_city',
    'channel': 'channel',
    'source': 'source',
    'medium': 'medium',
    'campaign': 'campaign',
    'term': 'first_term',
    'content': 'first_content',
    'landing_page': 'first_landing_page',
    'referrer': 'first_referrer',
    'marketing_consent': 'marketing_consent',
    'device': 'device_type',
    'robot': "if(has_bot_event, 'yes', '')",
} %}
{%- set numbers = {'sessions': 'sessions_count', 'form_submits': 'form_submits', 'chats': 'chats'} %}
{%- set times = ['created_at', 'last_event_at'] %}
{%- set touch_columns = ['channel', 'source', 'medium', 'campaign', 'landing_page'] %}

with

asked as (
    select distinct
        tenant_id,
        arrayJoin(facts) as fact
    from {{ ref('rules_in_force') }}
),

members as (
    select * from {{ ref('lead_members') }}
    where tenant_id in (select tenant_id from asked)
),

-- What is said of the browser by the latest visit.
browsers as (
    select
        tenant_id,
        members.lead_id as lead_id,
        argMaxIf(sessions.country, (sessions.ended_at, sessions.session_id), sessions.country != '') as country,
        argMaxIf(sessions.device_type, (sessions.ended_at, sessions.session_id), sessions.device_type != '') as device_type
    from {{ ref('sessions') }} as sessions
    inner join members using (tenant_id, tracking_id)
    where
        {{ is_among('lead_visitors', 'tracking_id', 'sessions') }}
        and {{ has_session('sessions.started_at', 'sessions.ended_at') }}
    group by tenant_id, lead_id
),

-- The fields of forms are in `fields`, what a server sends beside it; of both the name is folded, and the last value counts.
said as (
    select
        tenant_id,
        lead_id,
        {{ folded('property.1') }} as field,
        argMax(property.2, (occurred_at, event_id)) as raw,
        max((occurred_at, event_id)) as said_last
    from (
        select
            tenant_id,
            members.lead_id as lead_id,
            events.occurred_at as occurred_at,
            events.event_id as event_id,
            arrayJoin(arrayConcat(
                JSONExtractKeysAndValuesRaw(events.properties),
                JSONExtractKeysAndValuesRaw(events.properties, 'fields')
            )) as property
        from {{ ref('lead_events') }} as events
        inner join members using (tenant_id, tracking_id)
        where
            {{ is_among('lead_visitors', 'tracking_id', 'events') }}
            and (events.event_name = 'form_submit' or events.sent_by = 'server')
            and {{ is_in_stay('events.occurred_at', 'events.event_id') }}
    )
    where property.2 not in ('""', 'null', '[]') and not startsWith(property.2, '{')
    group by tenant_id, lead_id, field
),

places as (
    select
        tenant_id,
        lead_id,
        argMaxIf({{ json_text('raw') }}, said_last, field in {{ region_fields }}) as said_region,
        argMaxIf({{ json_text('raw') }}, said_last, field in {{ city_fields }}) as said_city
    from said
    where field in {{ region_fields }} or field in {{ city_fields }}
    group by tenant_id, lead_id
),

-- Whether a tenant that asks is open now, and its next opening or closing, at the latest midnight.
openings as (
    select
        hours.tenant_id as tenant_id,
        {{ known_time_zone('tenants.time_zone') }} as time_zone,
        {{ tenant_date(moment_of_turn(), 'time_zone') }} as today,
        {{ tenant_clock(moment_of_turn(), 'time_zone') }} as shown,
        multiIf(
            arrayExists(each -> each.1 = today, hours.special_days),
            tupleElement(arrayFirst(each -> each.1 = today, hours.special_days), 2),
            has(hours.closed_dates, today), [],
            hours.weekly[toDayOfWeek(today)]
        ) as intervals,
        arrayExists(each -> shown >= each.1 and shown < each.2, intervals) as is_open,
        arrayMin(arrayConcat(['24:00'], arrayFilter(
            edge -> edge > shown, arrayFlatten(arrayMap(each -> [each.1, each.2], intervals))
        ))) as next_edge,
        if(next_edge = '24:00', concat(toString(today + 1), ' 00:00'), concat(toString(today), ' ', next_edge)) as until
    from {{ ref('stg_operational__business_hours') }} as hours
    left join {{ ref('tenant_rules') }} as tenants on hours.tenant_id = tenants.tenant_id
    where (hours.tenant_id, 'clock.business_hours') in (select tenant_id, fact from asked)
),

described as (
    select
        tenant_id,
        lead_id,
        leads.* except (tenant_id, lead_id),
        browsers.country as country,
        browsers.device_type as device_type,
        places.said_region as said_region,
        places.said_city as said_city,
        if(match(leads.phone, '^\\+55\\d{10,11}$'), substring(leads.phone, 4, 2), '') as area_code,
        codes.region as area_region
    from (
        select
            *,
            substring(phone, 4, 2) as said_code
        from {{ ref('leads') }}
        where
            {{ is_among('affected_leads', 'lead_id') }}
            and tenant_id in (select tenant_id from asked)
    ) as leads
    left join browsers using (tenant_id, lead_id)
    left join places using (tenant_id, lead_id)
    left join {{ ref('area_codes') }} as codes on area_code = codes.area_code
),

facts as (
    select
        tenant_id,
        lead_id,
        arrayJoin(arrayConcat(
            arrayMap(
                each -> (each.1, [{{ folded('each.2') }}], cast(null, 'Nullable(Float64)'), {{ no_moments }}),
                arrayFilter(each -> each.2 != '', [
                    {%- for name, sql in texts.items() %}
                    ('lead.{{ name }}', {{ sql }}),
                    {%- endfor %}
                    {%- for touch in ['first', 'last'] %}
                    {%- set is_last = loop.last %}
                    {%- for column in touch_columns %}
                    ('{{ touch }}_touch.{{ column }}', {{ touch }}_{{ column }}){{ ',' if not (is_last and loop.last) }}
                    {%- endfor %}
                    {%- endfor %}
                ])
            ),
            [
                {%- for name, column in numbers.items() %}
                ('lead.{{ name }}', [toString({{ column }})], cast({{ column }}, 'Nullable(Float64)'), {{ no_moments }}),
                {%- endfor %}
                {%- for name in times %}
                ('lead.{{ name }}', [], null, [{{ name }}]){{ ',' if not loop.last }}
                {%- endfor %}
            ]
        )) as known
    from described
)

select
    tenant_id,
    lead_id,
    known.1 as fact,
    known.2 as texts,
    known.3 as number,
    known.4 as moments,
    toUInt32(0) as not_counted,
    {{ never() }} as changes_at
from facts
where (tenant_id, known.1) in (select tenant_id, fact from asked)

union all

select
    tenant_id,
    lead_id,
    concat('field.', field) as fact,
    arrayFilter(text -> text != '', arrayMap(
        element -> {{ folded("substringUTF8(" ~ json_text('element') ~ ", 1, " ~ most_characters ~ ")") }},
        arraySlice({{ json_elements('raw') }}, 1, {{ most_elements }})
    )) as texts,
    -- A number that was sent as one; a text is read as one where a rule compares it.
    if(match(raw, '^-?[0-9]'), toFloat64OrNull(raw), null) as number,
    {{ no_moments }} as moments,
    toUInt32(0) as not_counted,
    {{ never() }} as changes_at
from said
where (tenant_id, concat('field.', field)) in (select tenant_id, fact from asked)

union all

select
    tenant_id,
    lead_id,
    fact,
    cast([], 'Array(String)') as texts,
    cast(null, 'Nullable(Float64)') as number,
    moments,
    not_counted,
    {{ never() }} as changes_at
from {{ ref('lead_moments') }}

union all

select
    described.tenant_id as tenant_id,
    described.lead_id as lead_id,
    'clock.business_hours' as fact,
    [if(openings.is_open, 'open', 'closed')] as texts,
    cast(null, 'Nullable(Float64)') as number,
    {{ no_moments }} as moments,
    toUInt32(0) as not_counted,
    {{ tenant_moment("concat(openings.until, ':00')", 'openings.time_zone') }} as changes_at
from described
inner join openings on described.tenant_id = openings.tenant_id
