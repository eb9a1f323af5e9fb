{#-
  When the turn's leads did what their tenants' rules ask for: events, views of a page, conversions. Robots' events are
  left out. Views that look like a scanner's are not counted, but told: the pixel alone saw several pages within two
  seconds. Reads the events of these leads' visitors.
-#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'lead_id', 'fact']) }}

{#- Of an event that a lead does all the time the newest are kept. #}
{%- set most = 1000 %}
{%- set scanned_pages = 3 %}
{%- set near = "(
    partition by tenant_id, tracking_id order by at_ms range between 2000 preceding and 2000 following
)" %}

with

asked as (
    select distinct
        tenant_id,
        arrayJoin(facts) as fact
    from {{ ref('rules_in_force') }}
),

events as (
    select
        tenant_id,
        tracking_id,
        event_id,
        occurred_at,
        sent_by,
        page_url,
        toUnixTimestamp64Milli(occurred_at) as at_ms,
        event_name = 'page_view' as is_view,
        concat('event.', event_name) as event_fact,
        if(is_view, concat('page.', {{ page_of_rules('page_path') }}), '') as page_fact
    from {{ ref('events') }}
    where
        not is_bot
        and tenant_id in (select tenant_id from asked)
        and {{ is_among('lead_visitors', 'tracking_id') }}
),

looked_at as (
    select
        *,
        is_view
        and sent_by = 'pixel'
        and uniqExactIf(page_url, is_view and sent_by = 'pixel') over {{ near }} >= {{ scanned_pages }}
        and countIf(sent_by = 'script') over {{ near }} = 0 as is_scanned
    from events
),

done as (
    select
        looked_at.tenant_id as tenant_id,
        members.lead_id as lead_id,
        arrayJoin(arrayFilter(each -> each != '', [event_fact, page_fact])) as fact,
        looked_at.occurred_at as occurred_at,
        looked_at.is_scanned as is_scanned
    from looked_at
    inner join {{ ref('lead_members') }} as members
        on looked_at.tenant_id = members.tenant_id and looked_at.tracking_id = members.tracking_id
    where {{ is_in_stay('looked_at.occurred_at', 'looked_at.event_id') }}
    union all
    select
        tenant_id,
        lead_id,
        concat('goal.', {{ folded('name') }}) as fact,
        occurred_at,
        false as is_scanned
    from {{ ref('conversion_events') }}
    where not is_bot
)

select
    tenant_id,
    lead_id,
    fact,
    -- The newest first.
    arraySlice(arrayReverseSort(groupArrayIf(occurred_at, not is_scanned)), 1, {{ most }}) as moments,
    toUInt32(countIf(is_scanned)) as not_counted
from done
where (tenant_id, fact) in (select tenant_id, fact from asked)
group by tenant_id, lead_id, fact
