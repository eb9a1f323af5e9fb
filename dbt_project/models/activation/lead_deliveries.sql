{#-
  Reads in a turn its leads. Only what differs from the state that was wanted before is written, so that the rows of a
  turn are what there is to do.
-#}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'lead_id', 'destination_id'],
    settings={'index_granularity': 1024},
    indexes=[{'name': 'of_turn', 'definition': 'turn type minmax granularity 1'}],
) }}

with

leads as (
    select
        leads.*,
        {{ known_time_zone('tenant_rules.time_zone') }} as time_zone
    from {{ ref('leads') }} as leads
    left join {{ ref('tenant_rules') }} as tenant_rules on leads.tenant_id = tenant_rules.tenant_id
    where {{ is_in('affected_leads', 'lead_id') }}
),

-- Who denies marketing is still delivered when they asked to be contacted, but nothing of their history leaves.
deliverable_leads as (
    select
        *,
        marketing_consent = 'denied' as is_stripped,
        mapFilter((name, value) -> value != '', map(
            'channel', channel,
            'source', source,
            'medium', medium,
            'campaign', campaign,
            'term', last_non_direct_term,
            'content', last_non_direct_content,
            'company', company,
            'first_channel', first_channel,
            'first_source', first_source,
            'first_medium', first_medium,
            'first_campaign', first_campaign,
            'first_landing_page', first_landing_page,
            'first_seen_at', {{ json_time('first_touch_at', 'time_zone') }},
            'last_channel', last_channel,
            'last_source', last_source,
            'last_medium', last_medium,
            'last_campaign', last_campaign,
            'last_landing_page', last_landing_page,
            'last_seen_at', {{ json_time('last_touch_at', 'time_zone') }},
            'marketing_consent', marketing_consent
        )) as texts,
        mapUpdate(last_non_direct_click_ids, texts) as shared_texts,
        arrayFilter(label -> not endsWith(label, '-'), [
            concat('canal-', {{ kebab_case('channel') }}),
            concat('origem-', {{ kebab_case('source') }}),
            concat('campanha-', {{ kebab_case('campaign') }})
        ]) as shared_labels
    from leads
    where marketing_consent != 'denied' or form_submits > 0
),

payloads as (
    select
        tenant_id,
        lead_id,
        if(is_stripped, map('marketing_consent', 'denied'), shared_texts) as attribute_texts,
        mapFromArrays(
            mapKeys(attribute_texts), arrayMap(text -> toJSONString(text), mapValues(attribute_texts))
        ) as attribute_json,
        if(
            is_stripped, attribute_json, mapUpdate(attribute_json, map('sessions_count', toString(sessions_count)))
        ) as all_attribute_json,
        mapFromArrays(
            ['attributes', 'email', 'external_id', 'labels', 'lead_id', 'name', 'phone', 'tracking_ids'],
            [
                {{ json_object('all_attribute_json') }},
                toJSONString(email),
                toJSONString(if(is_stripped, '', external_id)),
                toJSONString(arraySort(arrayDistinct(if(is_stripped, ['sem-consentimento-marketing'], shared_labels)))),
                toJSONString(lead_id),
                toJSONString(name),
                toJSONString(phone),
                toJSONString(if(is_stripped, [], people))
            ]
        ) as payload_json,
        {{ json_object('payload_json') }} as payload
    from deliverable_leads
),

inactive_tenants as (
    select tenant_id from {{ ref('tenant_rules') }}
    where not is_active
),

destinations as (
    select * from {{ ref('stg_operational__destinations') }}
    where
        is_enabled
        and tenant_id not in (select tenant_id from inactive_tenants)
),

computed as (
    select
        payloads.tenant_id as tenant_id,
        payloads.lead_id as lead_id,
        destinations.destination_id as destination_id,
        destinations.destination_kind as destination_kind,
        payloads.payload as payload,
        lower(hex(SHA256(payloads.payload))) as payload_hash
    from payloads
    inner join destinations on payloads.tenant_id = destinations.tenant_id
)

{{ versions(
    'computed', rows_of_affected_leads(), ['tenant_id', 'lead_id', 'destination_id'], compared_by='payload_hash'
) }}
