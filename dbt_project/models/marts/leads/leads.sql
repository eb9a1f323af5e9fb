{{ config(tags=['hot'], order_by=['tenant_id', 'lead_id']) }}

{%- set touch_columns = [
    'touch_at', 'origin', 'landing_page', 'referrer', 'source', 'medium', 'campaign', 'term', 'content', 'channel', 'is_paid', 'source_rule', 'utm_source', 'utm_medium', 'utm_campaign', 'click_ids',
] %}

with

visitors as (
    select
        tenant_id,
        lead_id,
        value as tracking_id
    from {{ ref('identities') }}
    where kind = 'tracking_id'
),

events as (
    select
        events.*,
        visitors.lead_id as lead_id,
        (events.occurred_at, events.event_id) as event_key,
        {{ has_identifier() }} as has_identifier,
        {{ identifies_lead() }} as identifies
    from {{ ref('events') }} as events
    inner join visitors using (tenant_id, tracking_id)
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
        argMaxIf(analytics_consent, event_key, analytics_consent != '') as latest_analytics_consent,
        argMaxIf(marketing_consent, event_key, marketing_consent != '') as latest_marketing_consent,
        maxIf(toNullable(occurred_at), analytics_consent != '' or marketing_consent != '') as consent_at,
        argMinIf((event_id, event_name), event_key, identifies) as identifying_event,
        minIf(occurred_at, identifies) as identified_at,
        argMinIf(occurred_date, event_key, identifies) as identified_date,
        countIf(event_name = 'form_submit' and has_identifier) as form_submits,
        countIf(event_name = 'chat_start') as chats,
        max(received_at) as last_received_at,
        max(occurred_at) as last_event_at,
        max(is_bot) as has_bot_event,
        arraySort(groupUniqArray(tracking_id)) as tracking_ids
    from events
    group by tenant_id, lead_id
),

touches as (
    select * from {{ ref('lead_touches') }}
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
        touched.session_count as session_count,
        {%- for touch in ['first', 'last', 'last_non_direct'] -%}
        {%- for column in touch_columns %}
        {%- set name = 'touch_origin' if column == 'origin' else column %}
        touched.{{ touch }}_touch.{{ loop.index }} as {{ touch }}_{{ name }},
        {%- endfor -%}
        {%- endfor %}
        coalesce(nullIf(tenant_rules.consent_default, ''), '{{ var("default_consent") }}') as consent_default
    from people
    left join touched using (tenant_id, lead_id)
    left join tenant_rules using (tenant_id)
)

select
    tenant_id,
    lead_id,
    latest_name as name,
    latest_email as email,
    latest_phone as phone,
    latest_company as company,
    latest_external_id as external_id,
    tracking_ids,
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
    coalesce(nullIf(latest_analytics_consent, ''), consent_default) as analytics_consent,
    coalesce(nullIf(latest_marketing_consent, ''), consent_default) as marketing_consent,
    consent_at,
    identifying_event.1 as identifying_event_id,
    identifying_event.2 as identified_by,
    identified_date as created_date,
    identified_at as created_at,
    last_event_at,
    last_received_at as updated_at,
    toBool(has_bot_event) as has_bot_event
from described
