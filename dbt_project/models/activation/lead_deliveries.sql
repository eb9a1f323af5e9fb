{#-
  Reads in a turn its leads, what rules make of them, their conversations, and what was wanted of them before. Only what
  differs from the state that was wanted before is written, so that the rows of a turn are what there is to do.
-#}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'lead_id', 'destination_id'],
    settings={'index_granularity': 256},
    indexes=[{'name': 'of_turn', 'definition': 'turn type minmax granularity 1'}] + looked_up_by(['lead_id']),
) }}

{#- What says where they have been, or who they are elsewhere. -#}
{%- set history = [
    'attributes', 'clicks', 'cookies', 'events', 'external_id', 'first_touch_at', 'labels', 'last_touch_at', 'tracking_ids',
] %}

{#- The payload that a webhook was called with is kept, also when the table is built anew. #}
{%- set standing = standing_table('activation', 'lead_deliveries') %}

with

leads as (
    select
        leads.*,
        {{ known_time_zone('tenant_rules.time_zone') }} as time_zone
    from {{ ref('leads') }} as leads
    left join {{ ref('tenant_rules') }} as tenant_rules on leads.tenant_id = tenant_rules.tenant_id
    where {{ is_in('affected_leads', 'lead_id') }}
),

results as (
    select * from {{ ref('lead_results') }}
    where {{ is_in('affected_leads', 'lead_id') }}
),

-- Where people answer; an account that several destinations name may be of several Chatwoots.
chat_accounts as (
    select
        tenant_id,
        JSONExtractInt(configuration, 'account_id') as account_id,
        replaceRegexpOne(any(JSONExtractString(configuration, 'base_url')), '/+$', '') as base_url
    from {{ ref('stg_operational__destinations') }}
    where destination_kind = 'chatwoot' and is_enabled
    group by tenant_id, account_id
    having count() = 1 and base_url != ''
),

-- The first, so that a note with it is written once and no later conversation makes another state.
first_conversations as (
    select
        conversations.tenant_id as tenant_id,
        conversations.lead_id as lead_id,
        argMin(
            concat(
                accounts.base_url,
                '/app/accounts/', toString(accounts.account_id),
                '/conversations/', toString(conversations.conversation_id)
            ),
            (conversations.opened_at, conversations.account_id, conversations.conversation_id)
        ) as url
    from {{ ref('lead_conversations') }} as conversations
    inner join chat_accounts as accounts
        on conversations.tenant_id = accounts.tenant_id and conversations.account_id = accounts.account_id
    group by tenant_id, lead_id
),

payloads as (
    select
        leads.tenant_id as tenant_id,
        leads.lead_id as lead_id,
        results.send_to as send_to,
        results.withheld_from as withheld_from,
        marketing_consent = 'denied' as denies_marketing,
        -- A lead that denies marketing is still delivered if it asked to be contacted. Otherwise it is not delivered; where it
        -- is already, the engine withdraws it.
        denies_marketing and form_submits = 0 as is_withdrawal,
        stated_consent['ads'] = 'granted' as grants_ads,
        mapUpdate(last_non_direct_click_ids, mapFilter((name, value) -> value != '', map(
            'channel', channel,
            'source', source,
            'medium', medium,
            'campaign', campaign,
            'term', last_non_direct_term,
            'content', last_non_direct_content,
            'company', company,
            {%- for touch in ['first', 'last'] %}
            {%- for column in ['channel', 'source', 'medium', 'campaign', 'landing_page'] %}
            '{{ touch }}_{{ column }}', {{ touch }}_{{ column }},
            {%- endfor %}
            '{{ touch }}_seen_at', {{ json_time(touch ~ '_touch_at', 'time_zone') }},
            {%- endfor %}
            'marketing_consent', marketing_consent,
            'score_reasons', arrayStringConcat(arrayMap(
                each -> concat(if(each.3 > 0, '+', ''), toString(each.3), ' ', each.2), results.reasons
            ), '; '),
            'segments', arrayStringConcat(results.segments, ', '),
            'stage', results.stage,
            'priority', results.priority,
            'team', results.team,
            'owner', results.owner
        ))) as attributes,
        arrayConcat(
            arrayFilter(label -> not endsWith(label, '-'), [
                concat('canal-', {{ kebab_case('channel') }}),
                concat('origem-', {{ kebab_case('source') }}),
                concat('campanha-', {{ kebab_case('campaign') }})
            ]),
            results.labels
        ) as labels,
        mapUpdate(
            mapFromArrays(mapKeys(attributes), arrayMap(text -> toJSONString(text), mapValues(attributes))),
            mapFilter((name, value) -> value != '', map(
                'sessions_count', toString(sessions_count),
                -- A lead has no score if its tenant has no rules.
                'score', if(results.lead_id = '', '', toString(results.score))
            ))
        ) as attributes_json,
        if(
            first_conversations.url = '',
            '',
            {{ json_object("mapUpdate(attributes_json, map('conversation_url', toJSONString(first_conversations.url)))") }}
        ) as attributes_with_conversation,
        map(
            {%- for moment in ['first_touch_at', 'last_touch_at'] %}
            '{{ moment }}', toJSONString(if(toUnixTimestamp64Milli({{ moment }}) = 0, '', {{ utc_time(moment) }})),
            {%- endfor %}
            'attributes', {{ json_object('attributes_json') }},
            'clicks', clicks_json,
            'consent', toJSONString(stated_consent),
            'cookies', cookies_json,
            'email', toJSONString(email),
            'events', events_json,
            'external_id', toJSONString(external_id),
            'labels', toJSONString(arraySort(arrayDistinct(labels))),
            'lead_id', toJSONString(lead_id),
            'name', toJSONString(name),
            'phone', toJSONString(phone),
            'time_zone', toJSONString(time_zone),
            'tracking_ids', toJSONString(leads.people)
        ) as whole
    from leads
    left join {{ ref('lead_signals') }} as signals
        on leads.tenant_id = signals.tenant_id and leads.lead_id = signals.lead_id
    left join results on leads.tenant_id = results.tenant_id and leads.lead_id = results.lead_id
    left join first_conversations
        on leads.tenant_id = first_conversations.tenant_id and leads.lead_id = first_conversations.lead_id
),

inactive_tenants as (
    select tenant_id from {{ ref('tenant_rules') }}
    where not is_active
),

-- A destination that rules send leads to gets those alone.
chosen_by_rules as (
    select distinct
        tenant_id,
        arrayJoin(arrayFlatten(arrayMap(
            action -> action.destinations, arrayFilter(each -> each.kind = 'send_to', actions)
        ))) as destination_name
    from {{ ref('rules_in_force') }}
),

destinations as (
    select
        tenant_id,
        destination_id,
        destination_kind,
        destination_name,
        (tenant_id, destination_name) in (select tenant_id, destination_name from chosen_by_rules) as is_chosen_by_rules,
        is_chosen_by_rules and destination_kind = 'webhook' as is_notified,
        {{ keys_of_kind('destination_kind') }} as keys,
        {{ is_ad_platform('destination_kind') }} as is_ad_platform
    from {{ ref('stg_operational__destinations') }}
    where
        is_enabled
        and tenant_id not in (select tenant_id from inactive_tenants)
),

withheld as (
    select
        *,
        is_ad_platform and not grants_ads as is_all_withheld,
        not is_ad_platform and denies_marketing as is_history_withheld,
        arraySort(arrayFilter(
            key -> (is_all_withheld and key not in ('consent', 'lead_id'))
            or (is_history_withheld and key in ('{{ history | join("', '") }}')),
            keys
        )) as withheld_keys,
        mapUpdate(
            mapFilter((key, value) -> has(keys, key) and not has(withheld_keys, key), whole),
            mapFilter((key, value) -> value != '', map(
                'attributes', multiIf(
                    is_history_withheld, '{"marketing_consent":"denied"}',
                    {{ notes_conversation('destination_kind') }}, attributes_with_conversation,
                    ''
                ),
                'external_id', if(is_history_withheld, '""', ''),
                'labels', if(is_history_withheld, '["sem-consentimento-marketing"]', ''),
                'tracking_ids', if(is_history_withheld, '[]', ''),
                'withdrawal', if(is_withdrawal, 'true', ''),
                'withheld', if(empty(withheld_keys), '', toJSONString(withheld_keys))
            ))
        ) as said
    from payloads
    inner join destinations using (tenant_id)
    where not has(withheld_from, destination_name) and not (is_withdrawal and is_ad_platform)
),

wanted as (
    select
        tenant_id,
        lead_id,
        destination_id,
        destination_kind,
        is_chosen_by_rules,
        is_notified,
        empty(withheld_keys) as is_whole,
        -- 1970 where no rule sends it.
        arrayFirst(each -> each.1 = destination_name, send_to).3 as sent_since,
        if(
            is_notified,
            mapUpdate(said, map('sent_since', toJSONString({{ utc_time('sent_since') }}))),
            said
        ) as whole_said,
        {{ json_object('whole_said') }} as present_payload
    from withheld
    where not is_chosen_by_rules or toUnixTimestamp64Milli(sent_since) > 0
),

sent as (
    {% if standing -%}
    select
        tenant_id,
        lead_id,
        destination_id,
        payload,
        sent_since
    from {{ standing }}
    where {{ is_among('affected_leads', 'lead_id') }} and toUnixTimestamp64Milli(sent_since) > 0
    {%- else -%}
    select
        tenant_id,
        lead_id,
        destination_id,
        present_payload as payload,
        sent_since
    from wanted
    where false
    {%- endif %}
),

-- A product that keeps records has the present state of what was once sent. A webhook is a notification: its state is that
-- of the moment at which the rule began to send, and what changes later is no reason to send again, except consent that is
-- taken back.
computed as (
    select
        tenant_id,
        lead_id,
        destination_id,
        wanted.destination_kind as destination_kind,
        if(
            wanted.is_notified and wanted.is_whole and sent.payload != '' and sent.sent_since = wanted.sent_since,
            sent.payload,
            wanted.present_payload
        ) as payload,
        lower(hex(SHA256(payload))) as payload_hash,
        if(wanted.is_chosen_by_rules, wanted.sent_since, toDateTime64(0, 3, 'UTC')) as sent_since
    from wanted
    left join sent using (tenant_id, lead_id, destination_id)
)

{{ versions(
    'computed', rows_of_affected_leads(), ['tenant_id', 'lead_id', 'destination_id'], compared_by='payload_hash'
) }}
