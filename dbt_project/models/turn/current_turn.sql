{#-
  A turn takes the loads behind the last one taken, or a piece of a request to compute something again. Loads come first,
  and then the two alternate, so that neither waits for more than one turn of the other. Requests that are open take
  turns as well. A tenant whose settings changed is such a request. Leads that are due by the clock are taken like loads.

  Reads the last row of ops.turns, the rows of open requests there, the loads behind it, by the tables' keys, and who is
  quarantined. Tables that are built beside leave out no whole tenant, or readers would miss all of it.
-#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['turn']) }}

{%- set turns = built_so_far('ops', 'turns') %}

with

last_turn as (
    select
        turn,
        last_load,
        request_id,
        quarantined,
        conversations_until,
        deals_until
    from (
        {% if turns -%}
        select * from (
            select
                turn,
                last_load,
                request_id,
                quarantined,
                conversations_until,
                deals_until
            from {{ turns }}
            order by turn desc
            limit 1
        )
        union all
        {% endif -%}
        select
            toUInt64(0) as turn,
            toInt64(0) as last_load,
            '' as request_id,
            cast([], 'Array(String)') as quarantined,
            {{ no_news() }} as conversations_until,
            {{ no_news() }} as deals_until
    )
    order by turn desc
    limit 1
),

-- As many as a turn takes at once, and one at least.
new_loads as (
    select *
    from (
        select
            *,
            sum(events) over (order by load_seq rows between unbounded preceding and 1 preceding) as events_before
        from {{ source('collector', 'loads') }}
        -- Those of dead letters alone concern no model.
        where load_seq > (select last_load from last_turn) and (events > 0 or webhooks > 0)
    )
    where events_before < {{ var('events_of_a_turn') }}
),

quarantine as (
    select
        arraySort(groupArray(quarantine_id)) as quarantined,
        arraySort(groupUniqArrayIf(tenant_id, tracking_id = '' and {{ target.name != 'next' }})) as held_tenants
    from {{ ref('stg_operational__quarantine') }}
),

next_request as (
    {{ next_request(turns) }}
),

-- How far the turn takes the news of conversations and deals.
news as (
    select
        arrayMax([last_turn.conversations_until, max(due.conversations_until)]) as conversations_until,
        arrayMax([last_turn.deals_until, max(due.deals_until)]) as deals_until
    from last_turn
    left join {{ ref('due_leads') }} as due on true
    group by last_turn.conversations_until, last_turn.deals_until
),

there as (
    select
        last_turn.turn as last_turn,
        last_turn.last_load as load_before,
        last_turn.request_id as last_request,
        last_turn.quarantined as quarantined_before,
        last_turn.conversations_until as conversations_before,
        last_turn.deals_until as deals_before,
        greatest(last_turn.last_load, max(new_loads.load_seq)) as newest_load,
        sum(new_loads.events) as new_events,
        min(new_loads.oldest_received_at) as oldest_received_at,
        max(new_loads.newest_received_at) as newest_received_at
    from last_turn
    left join new_loads on true
    group by
        last_turn.turn, last_turn.last_load, last_turn.request_id, last_turn.quarantined, last_turn.conversations_until,
        last_turn.deals_until
)

select
    there.last_turn as last_turn,
    -- Milliseconds since 1970, so that numbers only grow, also when everything is built anew.
    greatest(there.last_turn + 1, toUInt64(toUnixTimestamp64Milli(now64(3)))) as turn,
    now64(3, 'UTC') as started_at,
    {{ clock() }} as evaluated_at,
    next_request.request_id != ''
    and (
        there.last_request = ''
        or (there.new_events = 0 and (select count() from {{ ref('due_leads') }}) = 0)
    ) as takes_request,
    there.load_before as load_before,
    if(takes_request, there.load_before, there.newest_load) as last_load,
    if(takes_request, there.conversations_before, news.conversations_until) as conversations_until,
    if(takes_request, there.deals_before, news.deals_until) as deals_until,
    if(takes_request, 0, there.new_events) as new_events,
    there.oldest_received_at as oldest_received_at,
    there.newest_received_at as newest_received_at,
    next_request.open_requests as open_requests,
    if(takes_request, next_request.request_id, '') as request_id,
    if(takes_request, next_request.kind, '') as request_kind,
    if(takes_request, next_request.tenant_id, '') as request_tenant_id,
    next_request.lead_ids as request_lead_ids,
    next_request.is_about_leads as request_is_about_leads,
    takes_request and next_request.is_of_leads_alone as request_is_of_leads_alone,
    next_request.received_from as request_received_from,
    next_request.received_before as request_received_before,
    next_request.position as position_before,
    quarantine.quarantined as quarantined,
    arrayFilter(each -> not has(there.quarantined_before, each), quarantine.quarantined) as entering,
    quarantine.held_tenants as held_tenants
from there
cross join quarantine
cross join news
left join next_request on true
