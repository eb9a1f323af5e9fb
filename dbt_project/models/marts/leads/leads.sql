{#- Reads in a turn the events, conversions, sessions and touches of its leads. -#}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'lead_id'],
    settings={'index_granularity': 256},
    indexes=[{'name': 'of_turn', 'definition': 'turn type minmax granularity 1'}] + looked_up_by(['lead_id']),
) }}

{%- set said_fields = ['name', 'email', 'phone', 'external_id', 'company'] %}
{%- set purposes = ['analytics', 'marketing', 'ads'] %}
{%- set never = "toDateTime64(0, 3, 'UTC')" %}
{%- set touch_columns = [
    'touch_at', 'origin', 'landing_page', 'referrer', 'source', 'medium', 'campaign', 'term', 'content', 'channel', 'is_paid', 'source_rule', 'utm_source', 'utm_medium', 'utm_campaign', 'click_ids',
] %}

with

members as (
    select * from {{ ref('lead_members') }}
),

-- All that is known of the visitors, and whether it is of the person.
statements as (
    select
        events.*,
        members.lead_id as lead_id,
        members.person_id as person_id,
        {{ is_in_stay('events.occurred_at', 'events.event_id') }} as is_own,
        (events.occurred_at, events.event_id) as event_key,
        -- Of a Brazilian mobile the form with the ninth digit, however it was typed.
        if(
            startsWith(events.phone, '+55'),
            arraySort(variant -> -length(variant), arrayPushBack(events.phone_variants, events.phone))[1],
            events.phone
        ) as whole_phone,
        {{ has_identifier() }} as has_identifier,
        {{ identifies_lead() }} as identifies
    from {{ ref('lead_events') }} as events
    inner join members using (tenant_id, tracking_id)
    where {{ is_in('lead_visitors', 'tracking_id') }}
),

sessions as (
    select
        sessions.*,
        members.lead_id as lead_id,
        {{ has_session('sessions.started_at', 'sessions.ended_at') }} as is_own
    from {{ ref('sessions') }} as sessions
    inner join members using (tenant_id, tracking_id)
    where {{ is_in('lead_visitors', 'tracking_id') }}
),

-- Who says something of the person: a server with its key, or one of their visitors. The latest of each counts; a field
-- left empty says nothing.
speakers as (
    select
        tenant_id,
        lead_id,
        if(sent_by = 'server', '', tracking_id) as speaker,
        {% for field in said_fields -%}
        {%- set value = 'whole_phone' if field == 'phone' else field -%}
        argMaxIf(({{ value }}, {{ distrust() }}, occurred_at), event_key, {{ field }} != '') as {{ field }}_said,
        minIf(event_key, {{ field }} != '') as {{ field }}_first_said,
        {% endfor -%}
        argMinIf((event_id, event_name, occurred_date), event_key, identifies) as identifying_event,
        minIf(event_key, identifies) as identifying_key,
        minIf(
            toNullable(occurred_at),
            identifies
            or (tenant_id, lead_id, event_id) in (select tenant_id, lead_id, event_id from {{ ref('conversion_events') }})
        ) as converted_at,
        countIf(event_name = 'form_submit' and has_identifier) as form_submits,
        countIf(event_name = 'chat_start') as chats,
        groupUniqArray(tracking_id) as tracking_ids,
        groupUniqArray(person_id) as person_ids
    from statements
    where is_own
    group by tenant_id, lead_id, speaker
),

-- The most trusted speaker counts, of equal ones the first: what another says fills what is empty, and is kept beside.
people as (
    select
        tenant_id,
        lead_id,
        {% for field in said_fields -%}
        argMinIf({{ field }}_said.1, ({{ field }}_said.2, {{ field }}_first_said), {{ field }}_said.1 != '')
            as said_{{ field }},
        {% endfor -%}
        arraySort(arrayConcat(
            {%- for field in said_fields if field != 'company' %}
            arrayFilter(
                other -> other.2 != '' and other.2 != said_{{ field }},
                groupArray(('{{ field }}', {{ field }}_said.1, speaker, {{ field }}_said.3))
            ){{ ',' if not loop.last }}
            {%- endfor %}
        )) as alternatives,
        argMinIf(speakers.identifying_event, identifying_key, identifying_event.1 != '') as first_identifying_event,
        minIf(identifying_key.1, identifying_event.1 != '') as identified_at,
        assumeNotNull(min(speakers.converted_at)) as first_converted_at,
        sum(speakers.form_submits) as form_submits,
        sum(speakers.chats) as chats,
        arraySort(groupUniqArrayArray(speakers.tracking_ids)) as tracking_ids,
        arraySort(groupUniqArrayArray(speakers.person_ids)) as person_ids
    from speakers
    group by tenant_id, lead_id
),

-- What is known of a visitor from a session, or from a server's event beside all sessions.
visits as (
    {% set facts = ['tenant_id', 'lead_id', 'tracking_id', 'is_own'] -%}
    select
        {{ facts | join(', ') }},
        ended_at as last_event_at,
        last_received_at,
        is_bot as has_bot_event,
        {% for purpose in purposes -%}
        {{ purpose }}_consent,
        {{ purpose }}_consent_at{{ ',' if not loop.last }}
        {% endfor -%}
    from sessions
    union all
    select
        {{ facts | join(', ') }},
        occurred_at as last_event_at,
        received_at as last_received_at,
        is_bot as has_bot_event,
        {% for purpose in purposes -%}
        {{ purpose }}_consent,
        if({{ purpose }}_consent != '', occurred_at, null) as {{ purpose }}_consent_at{{ ',' if not loop.last }}
        {% endfor -%}
    from statements
    where sent_by = 'server'
),

visitors as (
    select
        tenant_id,
        lead_id,
        tracking_id,
        maxIf(visits.last_event_at, is_own) as last_event_at,
        maxIf(visits.last_received_at, is_own) as last_received_at,
        maxIf(visits.has_bot_event, is_own) as has_bot_event,
        {% for purpose in purposes -%}
        argMax(
            {{ purpose }}_consent, (coalesce(visits.{{ purpose }}_consent_at, {{ never }}), {{ purpose }}_consent)
        ) as latest_{{ purpose }}_consent,
        {% endfor -%}
        nullIf(
            greatest(
                {%- for purpose in purposes %}
                coalesce(max(visits.{{ purpose }}_consent_at), {{ never }}){{ ',' if not loop.last }}
                {%- endfor %}
            ),
            {{ never }}
        ) as said_at
    from visits
    group by tenant_id, lead_id, tracking_id
),

-- Consent is each visitor's own, whoever uses it: of several visitors' latest statements the strictest counts for the lead.
visited as (
    select
        tenant_id,
        lead_id,
        max(visitors.last_event_at) as last_event_at,
        max(visitors.last_received_at) as last_received_at,
        max(visitors.has_bot_event) as has_bot_event,
        {% for purpose in purposes -%}
        -- 'denied' comes before 'granted'.
        minIf(latest_{{ purpose }}_consent, latest_{{ purpose }}_consent != '') as {{ purpose }},
        {% endfor -%}
        max(said_at) as consent_said_at
    from visitors
    group by tenant_id, lead_id
),

identified as (
    select
        tenant_id,
        members.lead_id as lead_id,
        arraySort(groupUniqArray((stated.kind, stated.value))) as identifiers
    from {{ ref('stated_identifiers') }} as stated
    inner join members using (tenant_id, person_id)
    group by tenant_id, lead_id
),

touches as (
    select
        touches.*,
        {{ is_in_look_back('touch_at', 'first_converted_at') }} as led_to_conversion
    from {{ ref('lead_touches') }} as touches
    inner join (
        select
            tenant_id,
            lead_id,
            first_converted_at
        from people
    ) as people using (tenant_id, lead_id)
    where {{ is_in('affected_leads', 'lead_id') }}
),

-- The source is what was known at the first conversion: what comes later is the last touch, and changes no source.
touched as (
    select
        tenant_id,
        lead_id,
        uniqExactIf(session_id, origin = 'session') as session_count,
        argMin(({{ touch_columns | join(', ') }}), (touch_at, touch_id)) as first_touch,
        argMax(({{ touch_columns | join(', ') }}), (origin = 'session', touch_at, touch_id)) as last_touch,
        argMaxIf(
            ({{ touch_columns | join(', ') }}), (channel != 'Direct', touch_at, touch_id), led_to_conversion
        ) as last_non_direct_touch
    from touches
    group by tenant_id, lead_id
),

tenant_rules as (
    select * from {{ ref('tenant_rules') }}
),

described as (
    select
        tenant_id,
        lead_id,
        people.* except (tenant_id, lead_id),
        visited.* except (tenant_id, lead_id),
        identified.identifiers as identifiers,
        touched.session_count as session_count,
        {%- for touch in ['first', 'last', 'last_non_direct'] -%}
        {%- for column in touch_columns %}
        {%- set name = 'touch_origin' if column == 'origin' else column %}
        touched.{{ touch }}_touch.{{ loop.index }} as {{ touch }}_{{ name }},
        {%- endfor -%}
        {%- endfor %}
        coalesce(nullIf(tenant_rules.consent_default, ''), '{{ var("default_consent") }}') as consent_default
    from people
    left join visited using (tenant_id, lead_id)
    left join identified using (tenant_id, lead_id)
    left join touched using (tenant_id, lead_id)
    left join tenant_rules using (tenant_id)
),

computed as (
    select
        tenant_id,
        lead_id,
        said_name as name,
        said_email as email,
        said_phone as phone,
        said_company as company,
        said_external_id as external_id,
        tracking_ids,
        person_ids as people,
        identifiers,
        alternatives,
        {%- for touch in ['first', 'last', 'last_non_direct'] %}
        {{ touch }}_touch_at,
        {%- for column in touch_columns if column not in ['touch_at', 'origin', 'utm_source', 'utm_medium', 'utm_campaign'] %}
        {{ touch }}_{{ column }},
        {%- endfor %}
        {%- endfor %}
        if(last_non_direct_source = '', '(direct)', last_non_direct_source) as source,
        if(last_non_direct_medium = '', '(none)', last_non_direct_medium) as medium,
        last_non_direct_campaign as campaign,
        if(last_non_direct_channel = '', 'Direct', last_non_direct_channel) as channel,
        coalesce(
            nullIf({{ source_reason('last_non_direct_') }}, ''), 'no arrival in the {{ var("look_back_days") }} days before'
        ) as source_reason,
        {{ source_reason('first_') }} as first_source_reason,
        toUInt32(session_count) as sessions_count,
        toUInt32(form_submits) as form_submits,
        toUInt32(chats) as chats,
        coalesce(nullIf(analytics, ''), consent_default) as analytics_consent,
        coalesce(nullIf(marketing, ''), consent_default) as marketing_consent,
        map(
            {%- for purpose in purposes | sort %}
            '{{ purpose }}', coalesce(nullIf({{ purpose }}, ''), 'unknown'){{ ',' if not loop.last }}
            {%- endfor %}
        ) as stated_consent,
        consent_said_at as consent_at,
        first_identifying_event.1 as identifying_event_id,
        first_identifying_event.2 as identified_by,
        first_identifying_event.3 as created_date,
        identified_at as created_at,
        first_converted_at,
        last_event_at,
        last_received_at as updated_at,
        toBool(has_bot_event) as has_bot_event
    from described
)

{{ versions('computed', rows_of_affected_leads(), ['tenant_id', 'lead_id']) }}
