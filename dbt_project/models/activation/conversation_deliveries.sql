{#-
  What open conversations of known leads should have in Chatwoot. Only what differs from the state that was wanted before is
  written, so that the rows of a turn are what there is to do. A changed note does not count as a difference, because a note is written once.

  Reads the leads, results and touches of the conversations of the turn by their keys, and the events of the visit they came
  with; of the table itself these conversations.
-#}
{{ config(
    tags=['conversations'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'conversation_id', 'destination_id'],
    settings={'index_granularity': 256},
    indexes=[{'name': 'of_turn', 'definition': 'turn type minmax granularity 1'}],
) }}

{#- Clocks of Chatwoot and of the collector differ, and Chatwoot's times are whole seconds. -#}
{%- set leeway = 5 %}
{%- set most = 10 %}
{%- set turn_of_conversations = "assumeNotNull((select max(turn) from " ~ ref('conversation_turn') ~ "))" %}

with

-- An account that several destinations name may be of several Chatwoots.
destinations as (
    select
        tenant_id,
        JSONExtractInt(configuration, 'account_id') as account_id,
        any(destination_id) as only_destination,
        any(destination_name) as only_name
    from {{ ref('stg_operational__destinations') }}
    where destination_kind = 'chatwoot' and is_enabled
    group by tenant_id, account_id
    having count() = 1
),

tenants as (
    select
        tenant_id,
        {{ known_time_zone('time_zone') }} as time_zone,
        language = 'pt-BR' as is_portuguese
    from {{ ref('stg_operational__tenants') }}
    where is_active
),

{% if is_incremental() -%}
-- What the table has of the conversations of the turn.
known as (
    select * from {{ this }}
    where (tenant_id, conversation_id) in (select tenant_id, toString(conversation_id) from {{ ref('concerned_conversations') }})
),

{% endif -%}
conversations as (
    select * from {{ ref('concerned_conversations') }}
    where lead_id != ''
),

-- As for contacts: who denies marketing is still answered when they asked to be contacted.
leads as (
    select
        tenant_id,
        lead_id,
        marketing_consent = 'denied' as denies_marketing
    from {{ ref('leads') }}
    where
        (tenant_id, lead_id) in (select tenant_id, lead_id from conversations)
        and (marketing_consent != 'denied' or form_submits > 0)
),

results as (
    select * from {{ ref('lead_results') }}
    where (tenant_id, lead_id) in (select tenant_id, lead_id from conversations)
),

covers as (
    select * from {{ ref('conversation_covers') }}
    where
        (tenant_id, account_id, conversation_id) in (select tenant_id, account_id, conversation_id from conversations)
        and cover_id > 0
),

touches as (
    select
        conversations.tenant_id as tenant_id,
        conversations.account_id as account_id,
        conversations.conversation_id as conversation_id,
        arraySort(groupArray((
            touches.touch_at,
            touches.touch_id,
            touches.tracking_id,
            touches.channel,
            touches.source,
            touches.medium,
            touches.campaign,
            touches.term,
            touches.content,
            touches.landing_page,
            touches.click_ids
        ))) as touches_before
    from {{ ref('lead_touches') }} as touches
    inner join conversations on touches.tenant_id = conversations.tenant_id and touches.lead_id = conversations.lead_id
    where
        (touches.tenant_id, touches.lead_id) in (select tenant_id, lead_id from conversations)
        and touches.origin not in ('message', 'conversation')
        and touches.touch_at < conversations.opened_at + interval {{ leeway }} second
    group by tenant_id, account_id, conversation_id
),

-- An ad on a telephone leads to the conversation itself: no page is in between. A referral is (at, message_id, type, source_id,
-- url, click_id).
origins as (
    select
        conversations.tenant_id as tenant_id,
        conversations.account_id as account_id,
        conversations.conversation_id as conversation_id,
        conversations.opened_at as opened_at,
        conversations.lead_id as lead_id,
        touches.touches_before as visits,
        arrayElement(touches.touches_before, -1) as last_visit,
        arrayElement(arrayFilter(
            each -> each.1 < conversations.opened_at + interval 60 second and each.1 > last_visit.1, conversations.referrals
        ), -1) as ad,
        ad.4 != '' or ad.5 != '' as is_of_ad
    from conversations
    left join touches
        on
            conversations.tenant_id = touches.tenant_id
            and conversations.account_id = touches.account_id
            and conversations.conversation_id = touches.conversation_id
),

visits as (
    select
        tenant_id,
        account_id,
        conversation_id,
        last_visit.3 as tracking_id,
        last_visit.1 as begins_at,
        opened_at + interval {{ leeway }} second as ends_at
    from origins
    where last_visit.3 != ''
),

pages as (
    select
        visits.tenant_id as tenant_id,
        visits.account_id as account_id,
        visits.conversation_id as conversation_id,
        arrayMap(each -> each.2, arraySort(groupArray((events.occurred_at, {{ plain_line('events.page_path') }})))) as paths
    from {{ ref('events') }} as events
    inner join visits on events.tenant_id = visits.tenant_id and events.tracking_id = visits.tracking_id
    where
        (events.tenant_id, events.tracking_id) in (select tenant_id, tracking_id from visits)
        and events.occurred_at >= (select min(begins_at) from visits)
        and events.occurred_at between visits.begins_at and visits.ends_at
        and events.event_name = 'page_view'
    group by tenant_id, account_id, conversation_id
),

forms as (
    select
        origins.tenant_id as tenant_id,
        origins.account_id as account_id,
        origins.conversation_id as conversation_id,
        arraySlice(arraySort(groupArray((events.occurred_at, {{ plain_line('events.page_path') }}))), -{{ most }}) as sent_forms
    from (
        select
            tenant_id,
            account_id,
            conversation_id,
            opened_at,
            arrayJoin(arrayDistinct(arrayMap(visit -> visit.3, visits))) as tracking_id
        from origins
    ) as origins
    inner join {{ ref('lead_events') }} as events
        on origins.tenant_id = events.tenant_id and origins.tracking_id = events.tracking_id
    where
        (events.tenant_id, events.tracking_id) in (
            select
                tenant_id,
                arrayJoin(arrayMap(visit -> visit.3, visits))
            from origins
        )
        and events.event_name = 'form_submit'
        and events.occurred_at < origins.opened_at + interval {{ leeway }} second
    group by tenant_id, account_id, conversation_id
),

told as (
    select
        origins.tenant_id as tenant_id,
        origins.account_id as account_id,
        toString(origins.conversation_id) as conversation_id,
        destinations.only_destination as destination_id,
        origins.lead_id as lead_id,
        leads.denies_marketing as denies_marketing,
        tenants.is_portuguese as is_portuguese,
        tenants.time_zone as time_zone,
        if(is_of_ad, if(ad.3 = 'ad', 'Paid Social', 'Organic Social'), last_visit.4) as channel,
        if(is_of_ad, '', last_visit.5) as source,
        if(is_of_ad, '', last_visit.6) as medium,
        if(is_of_ad, '', last_visit.7) as campaign,
        mapFilter((name, value) -> value != '', if(
            is_of_ad,
            map('channel', channel, 'ctwa_clid', ad.6, 'ad_id', ad.4, 'landing_page', ad.5),
            mapUpdate(last_visit.11, map(
                'channel', channel,
                'source', source,
                'medium', medium,
                'campaign', campaign,
                'term', last_visit.8,
                'content', last_visit.9,
                'landing_page', last_visit.10
            ))
        )) as attributes,
        mapUpdate(
            mapFromArrays(mapKeys(attributes), arrayMap(text -> toJSONString(text), mapValues(attributes))),
            -- A lead has no score if its tenant has no rules.
            mapFilter((name, value) -> results.lead_id != '', map(
                'score', toString(results.score),
                'score_reasons', toJSONString(arrayStringConcat(reasons, '; ')),
                'segments', toJSONString(arrayStringConcat(results.segments, ', ')),
                'stage', toJSONString(results.stage),
                'owner', toJSONString(results.owner),
                'cover', toJSONString(if(covers.cover_id = 0, '', concat(covers.cover, ': ', multiIf(
                    not tenants.is_portuguese, covers.reason,
                    covers.reason = 'owner away', 'responsável ausente',
                    'sem resposta'
                ))))
            ))
        ) as attributes_json,
        arraySort(arrayDistinct(arrayConcat(
            arrayFilter(label -> not endsWith(label, '-'), [
                concat('canal-', {{ kebab_case('channel') }}),
                concat('origem-', {{ kebab_case('source') }}),
                concat('campanha-', {{ kebab_case('campaign') }})
            ]),
            results.labels
        ))) as labels,
        results.lead_id != '' as has_score,
        results.score as score,
        arrayMap(
            each -> concat(if(each.3 > 0, '+', ''), toString(each.3), ' ', {{ plain_line('each.2') }}), results.reasons
        ) as reasons,
        mapFilter((name, value) -> value != '', map(
            'priority', results.priority,
            'team', results.team,
            'agent', if(covers.cover_id = 0, results.owner, toString(covers.cover_id)),
            'covers', if(covers.cover_id = 0, '', results.owner)
        )) as routed,
        origins.visits as visits,
        arrayMap(visit -> concat(
            {{ readable_time('visit.1', 'tenants.time_zone', 'tenants.is_portuguese') }},
            ' · ',
            arrayStringConcat(arrayFilter(part -> part != '', [
                {{ plain_line('visit.4') }},
                arrayStringConcat(arrayFilter(part -> part != '', [{{ plain_line('visit.5') }}, {{ plain_line('visit.6') }}]), ' / '),
                {{ plain_line('visit.7') }},
                {{ plain_line('path(visit.10)') }}
            ]), ' · ')
        ), arraySlice(origins.visits, -{{ most }})) as visit_lines,
        -- Each page once, where it was first seen.
        arraySlice(arrayDistinct(pages.paths), 1, {{ most }}) as page_lines,
        arrayMap(form -> concat(
            {{ readable_time('form.1', 'tenants.time_zone', 'tenants.is_portuguese') }}, ' · ', form.2
        ), forms.sent_forms) as form_lines
    from origins
    inner join leads on origins.tenant_id = leads.tenant_id and origins.lead_id = leads.lead_id
    inner join destinations on origins.tenant_id = destinations.tenant_id and origins.account_id = destinations.account_id
    inner join tenants on origins.tenant_id = tenants.tenant_id
    left join results on origins.tenant_id = results.tenant_id and origins.lead_id = results.lead_id
    left join covers
        on
            origins.tenant_id = covers.tenant_id
            and origins.account_id = covers.account_id
            and origins.conversation_id = covers.conversation_id
    left join pages
        on
            origins.tenant_id = pages.tenant_id
            and origins.account_id = pages.account_id
            and origins.conversation_id = pages.conversation_id
    left join forms
        on
            origins.tenant_id = forms.tenant_id
            and origins.account_id = forms.account_id
            and origins.conversation_id = forms.conversation_id
    where not has(results.withheld_from, destinations.only_name)
),

worded as (
    select
        *,
        arrayStringConcat(arrayFlatten([
            [if(is_portuguese, 'Jornada até esta conversa', 'Journey to this conversation')],
            if(empty(visit_lines), [], [concat(if(is_portuguese, 'Visitas: ', 'Visits: '), toString(length(visits)))]),
            visit_lines,
            if(empty(page_lines), [], [concat(if(is_portuguese, 'Páginas: ', 'Pages: '), arrayStringConcat(page_lines, ' → '))]),
            if(empty(form_lines), [], [if(is_portuguese, 'Formulários enviados:', 'Forms sent:')]),
            form_lines,
            if(has_score, [concat(if(is_portuguese, 'Pontuação: ', 'Score: '), toString(score))], []),
            reasons
        ]), '\n') as note,
        map(
            'attributes', if(denies_marketing, '{"marketing_consent":"denied"}', {{ json_object("mapFilter((name, value) -> value != '\"\"', attributes_json)") }}),
            'labels', if(denies_marketing, '["sem-consentimento-marketing"]', toJSONString(labels))
        ) as said,
        mapUpdate(
            mapFromArrays(mapKeys(routed), arrayMap(text -> toJSONString(text), mapValues(routed))),
            map('conversation_id', conversation_id, 'lead_id', toJSONString(lead_id))
        ) as placed,
        mapUpdate(placed, map('note', toJSONString(if(denies_marketing, '', note)))) as noted
    from told
),

computed as (
    select
        tenant_id,
        account_id,
        conversation_id,
        destination_id,
        lead_id,
        {{ json_object("mapUpdate(said, map('conversation', " ~ json_object('noted') ~ "))") }} as payload,
        lower(hex(SHA256({{ json_object("mapUpdate(said, map('conversation', " ~ json_object('placed') ~ "))") }}))) as payload_hash
    from worded
)

{{ versions(
    'computed', 'known', ['tenant_id', 'conversation_id', 'destination_id'], compared_by='payload_hash',
    number=turn_of_conversations
) }}
