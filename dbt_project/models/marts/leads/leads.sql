{#- Reads in a turn the events, sessions and touches of its leads. -#}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'lead_id'],
    settings={'index_granularity': 1024},
) }}

{%- set never = "toDateTime64(0, 3, 'UTC')" %}
{%- set touch_columns = [
    'touch_at', 'origin', 'landing_page', 'referrer', 'source', 'medium', 'campaign', 'term', 'content', 'channel', 'is_paid', 'source_rule', 'utm_source', 'utm_medium', 'utm_campaign', 'click_ids',
] %}

with

members as (
    select * from {{ ref('lead_members') }}
),

statements as (
    select
        events.*,
        members.lead_id as lead_id,
        (events.occurred_at, events.event_id) as event_key,
        {{ has_identifier() }} as has_identifier,
        {{ identifies_lead() }} as identifies
    from {{ ref('lead_events') }} as events
    inner join members using (tenant_id, tracking_id)
    where {{ is_in('lead_visitors', 'tracking_id') }}
),

sessions as (
    select
        sessions.*,
        members.lead_id as lead_id
    from {{ ref('sessions') }} as sessions
    inner join members using (tenant_id, tracking_id)
    where {{ is_in('lead_visitors', 'tracking_id') }}
),

-- Of what the person said of themself the latest counts; a field left empty says nothing.
people as (
    select
        tenant_id,
        lead_id,
        argMaxIf(name, event_key, name != '') as latest_name,
        argMaxIf(email, event_key, email != '') as latest_email,
        -- Of a Brazilian mobile the form with the ninth digit, however it was typed.
        argMaxIf(arraySort(variant -> -length(variant), arrayPushBack(phone_variants, phone))[1], event_key, phone != '')
            as latest_phone,
        argMaxIf(external_id, event_key, external_id != '') as latest_external_id,
        argMaxIf(company, event_key, company != '') as latest_company,
        argMinIf((event_id, event_name), event_key, identifies) as identifying_event,
        minIf(occurred_at, identifies) as identified_at,
        argMinIf(occurred_date, event_key, identifies) as identified_date,
        countIf(event_name = 'form_submit' and has_identifier) as form_submits,
        arraySort(groupUniqArray(tracking_id)) as tracking_ids
    from statements
    group by tenant_id, lead_id
),

-- What is known of a visitor from a session, or from a server's event beside all sessions.
visits as (
    {% set facts = ['tenant_id', 'lead_id', 'tracking_id'] -%}
    select
        {{ facts | join(', ') }},
        ended_at as last_event_at,
        last_received_at,
        toUInt64(chats) as chats,
        is_bot as has_bot_event,
        analytics_consent,
        analytics_consent_at,
        marketing_consent,
        marketing_consent_at
    from sessions
    union all
    select
        {{ facts | join(', ') }},
        occurred_at as last_event_at,
        received_at as last_received_at,
        toUInt64(event_name = 'chat_start') as chats,
        is_bot as has_bot_event,
        analytics_consent,
        if(analytics_consent != '', occurred_at, null) as analytics_consent_at,
        marketing_consent,
        if(marketing_consent != '', occurred_at, null) as marketing_consent_at
    from statements
    where sent_by = 'server'
),

visitors as (
    select
        tenant_id,
        lead_id,
        tracking_id,
        max(visits.last_event_at) as last_event_at,
        max(visits.last_received_at) as last_received_at,
        sum(visits.chats) as chats,
        max(visits.has_bot_event) as has_bot_event,
        {% for purpose in ['analytics', 'marketing'] -%}
        argMax(
            {{ purpose }}_consent, (coalesce(visits.{{ purpose }}_consent_at, {{ never }}), {{ purpose }}_consent)
        ) as latest_{{ purpose }}_consent,
        {% endfor -%}
        nullIf(
            greatest(
                coalesce(max(visits.analytics_consent_at), {{ never }}), coalesce(max(visits.marketing_consent_at), {{ never }})
            ),
            {{ never }}
        ) as said_at
    from visits
    group by tenant_id, lead_id, tracking_id
),

-- Consent is each visitor's own: of several visitors' latest statements the strictest counts for the lead.
visited as (
    select
        tenant_id,
        lead_id,
        max(visitors.last_event_at) as last_event_at,
        max(visitors.last_received_at) as last_received_at,
        sum(visitors.chats) as chats,
        max(visitors.has_bot_event) as has_bot_event,
        {% for purpose in ['analytics', 'marketing'] -%}
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
    inner join members using (tenant_id, tracking_id)
    group by tenant_id, lead_id
),

touches as (
    select * from {{ ref('lead_touches') }}
    where {{ is_in('affected_leads', 'lead_id') }}
),

-- The script's memory of an arrival and the session it began are one moment: of the two the session is shown.
touched as (
    select
        tenant_id,
        lead_id,
        uniqExactIf(session_id, origin = 'session') as session_count,
        argMin(({{ touch_columns | join(', ') }}), (touch_at, origin != 'session', tracking_id, origin)) as first_touch,
        argMax(
            ({{ touch_columns | join(', ') }}), (origin = 'session', touch_at, tracking_id, origin)
        ) as last_touch,
        argMax(
            ({{ touch_columns | join(', ') }}),
            (channel != 'Direct', touch_at, origin = 'session', tracking_id, origin)
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
        latest_name as name,
        latest_email as email,
        latest_phone as phone,
        latest_company as company,
        latest_external_id as external_id,
        tracking_ids,
        identifiers,
        {%- for touch in ['first', 'last', 'last_non_direct'] %}
        {{ touch }}_touch_at,
        {%- for column in touch_columns if column not in ['touch_at', 'origin', 'utm_source', 'utm_medium', 'utm_campaign'] %}
        {{ touch }}_{{ column }},
        {%- endfor %}
        {%- endfor %}
        last_non_direct_source as source,
        last_non_direct_medium as medium,
        last_non_direct_campaign as campaign,
        last_non_direct_channel as channel,
        {{ source_reason('last_non_direct_') }} as source_reason,
        {{ source_reason('first_') }} as first_source_reason,
        toUInt32(session_count) as sessions_count,
        toUInt32(form_submits) as form_submits,
        toUInt32(chats) as chats,
        coalesce(nullIf(analytics, ''), consent_default) as analytics_consent,
        coalesce(nullIf(marketing, ''), consent_default) as marketing_consent,
        consent_said_at as consent_at,
        identifying_event.1 as identifying_event_id,
        identifying_event.2 as identified_by,
        identified_date as created_date,
        identified_at as created_at,
        last_event_at,
        last_received_at as updated_at,
        toBool(has_bot_event) as has_bot_event
    from described
)

{{ versions('computed', rows_of_affected_leads(), ['tenant_id', 'lead_id']) }}
