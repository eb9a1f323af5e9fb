{#-
  What the platform that sold a click may learn of the turn's leads, each as JSON. Reads the events of these leads'
  visitors, and their touches, conversions and deals.
-#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'lead_id']) }}

{#- A lead of years is still a payload of a few kilobytes. #}
{%- set most = 100 %}

with

browsers as (
    select
        events.tenant_id as tenant_id,
        members.lead_id as lead_id,
        argMaxIf(events.ad_cookies, (events.occurred_at, events.event_id), notEmpty(events.ad_cookies)) as cookies,
        -- A server's user agent is no browser's.
        groupArrayIf(
            (events.event_id, events.page_url, if(events.sent_by = 'server', '', events.user_agent)),
            events.event_name = 'conversion' or {{ identifies_lead() }}
        ) as places
    from {{ ref('lead_events') }} as events
    inner join {{ ref('lead_members') }} as members
        on events.tenant_id = members.tenant_id and events.tracking_id = members.tracking_id
    where
        {{ is_in_stay('events.occurred_at', 'events.event_id') }}
        and {{ is_among('lead_visitors', 'tracking_id', 'events') }}
    group by tenant_id, lead_id
),

-- Told of again by a later session, a click is as old as it was.
clicks as (
    select
        tenant_id,
        lead_id,
        arraySlice(arraySort(groupArray((clicked_at, click.1, click.2))), -{{ most }}) as clicks
    from (
        select
            tenant_id,
            lead_id,
            click,
            min(arrived_at) as clicked_at
        from {{ ref('lead_touches') }}
        -- Of an ad on WhatsApp that sent no id this is known as well: nothing can be reported for it.
        array join
            if(
                origin = 'message' and is_paid and empty(click_ids), [('ctwa_clid', '')], arrayZip(mapKeys(click_ids), mapValues(click_ids))
            ) as click
        where {{ is_among('affected_leads', 'lead_id') }}
        group by tenant_id, lead_id, click
    )
    group by tenant_id, lead_id
),

-- A conversion of no stage says nothing to a platform. Of a lead with deals these alone count, as they do in reports: the
-- same sale is often reported both ways.
done as (
    select
        tenant_id,
        lead_id,
        (
            occurred_at,
            event_id,
            if(kind = 'lead', 'lead', {{ stage_of_conversion() }}),
            if(revenue > 0, toString(revenue), ''),
            if(revenue > 0, currency, ''),
            order_id
        ) as step
    from {{ ref('conversions') }}
    where
        {{ is_among('affected_leads', 'lead_id') }}
        and (
            kind = 'lead'
            or (
                {{ stage_of_conversion() }} != ''
                and (tenant_id, lead_id) not in (select tenant_id, lead_id from {{ ref('deals_of_leads') }})
            )
        )
    union all
    -- A deal is qualified once and won once, however often it is moved or edited; a reopened one is won no more.
    select
        tenant_id,
        lead_id,
        (
            assumeNotNull(qualified_at),
            concat('deal:', destination_id, ':', qualified_as, ':qualified'),
            'qualified',
            '',
            '',
            deal_id
        ) as step
    from {{ ref('deals_of_leads') }}
    where qualified_at is not null
    union all
    select
        tenant_id,
        lead_id,
        (
            assumeNotNull(won_at),
            concat('deal:', destination_id, ':', won_as, ':won'),
            'won',
            if(value > 0, toString(assumeNotNull(value)), ''),
            if(value > 0, currency, ''),
            deal_id
        ) as step
    from {{ ref('deals_of_leads') }}
    where won_at is not null
),

steps as (
    select
        tenant_id,
        lead_id,
        arraySlice(arraySort(groupArray(step)), -{{ most }}) as steps
    from done
    group by tenant_id, lead_id
)

select
    browsers.tenant_id as tenant_id,
    browsers.lead_id as lead_id,
    toJSONString(cookies) as cookies_json,
    toJSONString(cast(
        arrayMap(each -> ({{ utc_time('each.1') }}, each.2, each.3), clicks), 'Array(Tuple(at String, name String, value String))'
    )) as clicks_json,
    toJSONString(cast(
        arrayMap(
            (each, place) -> ({{ utc_time('each.1') }}, each.5, each.2, each.3, each.6, place.2, place.3, each.4),
            steps,
            arrayMap(step -> arrayFirst(one -> one.1 = step.2, places), steps)
        ),
        'Array(Tuple(
            at String, currency String, event_id String, name String, order_id String, page_url String, user_agent String, value String
        ))'
    )) as events_json
from browsers
left join clicks on browsers.tenant_id = clicks.tenant_id and browsers.lead_id = clicks.lead_id
left join steps on browsers.tenant_id = steps.tenant_id and browsers.lead_id = steps.lead_id
