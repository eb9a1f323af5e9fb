{#- Reads the last 30 days of what was received: partitions of that time, and of the events this one column. -#}
{%- set recently_received = 'received_at > now() - toIntervalDay(' ~ var('set_aside_days') ~ ')' %}

with

events as (
    select
        tenant_id,
        sent_by as source,
        event_id,
        event_name,
        received_at,
        arrayJoin(set_aside) as each
    from {{ ref('events') }}
    where
        -- An event counts up to `late_event_days` before its receipt, so that the time it happened names the partitions.
        occurred_at > now() - toIntervalDay({{ var('set_aside_days') + var('late_event_days') }})
        and {{ recently_received }}
),

webhooks as (
    select
        tenant_id,
        source,
        delivery_id as event_id,
        event_kind as event_name,
        received_at,
        arrayJoin(set_aside) as each
    from (
        {%- for table in ['chatwoot_events', 'crm_events'] %}
        select * from ({{ webhooks_without_copies(source('webhooks', table), recently_received) }})
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    )
),

tenants as (
    select
        tenant_id,
        'tenant' as source,
        tenant_id as event_id,
        'settings' as event_name,
        mirrored_at as received_at,
        arrayJoin(set_aside) as each
    from {{ ref('stg_operational__tenants') }}
),

destinations as (
    select
        tenant_id,
        'destination' as source,
        destination_id as event_id,
        destination_kind as event_name,
        mirrored_at as received_at,
        arrayJoin(set_aside) as each
    from {{ ref('stg_operational__destinations') }}
)

select
    tenant_id,
    source,
    event_id,
    event_name,
    each.1 as field,
    each.2 as reason,
    each.3 as value,
    received_at
from (
    select * from events
    union all
    select * from webhooks
    union all
    select * from tenants
    union all
    select * from destinations
)
