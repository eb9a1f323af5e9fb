{#-
  Arrivals that the script remembers and no session began with, of the leads of the turn. Empty in most turns: then
  `remembered_sources` has nothing to do. Reads the sessions and server events of the visitors of these leads.
-#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'lead_id']) }}

with

{{ visits_of_leads() }},

-- What the script remembers from before it was allowed to send anything. Each session repeats it, with its own clock
-- correction: the first that says it counts, so that its time never moves, and so does whose session that is.
told as (
    select
        tenant_id,
        tracking_id,
        told_from,
        told_until,
        arrayJoin([
            ('remembered_first', first_touch, first_touch_at),
            ('remembered_last_non_direct', last_non_direct_touch, last_non_direct_touch_at)
        ]) as memory
    from (
        {% for relation, from, until in [('visits', 'started_at', 'ended_at'), ('server_events', 'occurred_at', 'occurred_at')] -%}
        select
            tenant_id,
            tracking_id,
            {{ from }} as told_from,
            {{ until }} as told_until,
            first_touch,
            first_touch_at,
            last_non_direct_touch,
            last_non_direct_touch_at
        from {{ relation }}
        {{ 'union all' if not loop.last }}
        {% endfor %}
    )
),

-- Every arrival that was ever remembered, as the source of a lead stays when the script has a newer one.
memories as (
    select
        tenant_id,
        tracking_id,
        min(memory.1) as origin,
        min((told_from, assumeNotNull(memory.3), memory.2, told_until)) as telling
    from told
    where memory.3 is not null
    group by tenant_id, tracking_id, JSONExtractString(memory.2, 'at')
),

-- What began a session or happened in one is known from there: a memory of it is no second arrival.
remembered as (
    select
        tenant_id,
        tracking_id,
        lead_id,
        origin,
        telling.3 as touch,
        telling.2 as remembered_at
    from memories
    inner join members using (tenant_id, tracking_id)
    left join spans using (tenant_id, tracking_id, lead_id)
    where
        {{ has_session('memories.telling.1', 'memories.telling.4') }}
        and not arrayExists(span -> remembered_at = span.1 or remembered_at between span.2 and span.3, spans.spans)
    limit 1 by tenant_id, tracking_id, lead_id, origin, remembered_at
)

select
    tenant_id,
    tracking_id,
    lead_id,
    origin,
    remembered_at as touch_at,
    JSONExtractString(touch, 'landing_url') as touch_landing_url,
    JSONExtractString(touch, 'referrer') as touch_referrer,
    JSONExtract(touch, 'params', 'Map(String, String)') as touch_params
from remembered
