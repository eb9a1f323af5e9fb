{#- Reads in a turn the sessions that turns over events have computed since the last one. -#}
-- depends_on: {{ ref('campaign_turn') }}
{{ campaign_table(['tenant_id', 'day', 'tracking_id', 'started_at'], partition_by='toYYYYMM(day)') }}

{%- set columns %}
    tenant_id,
    toDate(started_at, 'UTC') as day,
    tracking_id,
    started_at,
    started_date,
    landing_page,
    source,
    medium,
    campaign,
    utm_campaign,
    campaign_ids,
    {{ paid_click() }} as paid_click,
    is_paid
{%- endset %}

{% if not is_incremental() -%}

select
    {{ columns }},
    {{ campaign_turn() }} as turn,
    toUInt8(0) as is_deleted
from {{ ref('sessions') }}
where not is_bot and {{ names_a_campaign() }}

{%- else -%}

with

-- Ends of sessions among them.
changed as (
    select
        *,
        toUInt8(sessions.is_deleted or sessions.is_bot or not {{ names_a_campaign() }}) as is_gone
    from {{ ref('sessions') }} as sessions
    where {{ is_new_to_campaigns('sessions.turn') }}
    order by sessions.turn desc
    limit 1 by tenant_id, tracking_id, started_at
    settings final = 0
),

known as (
    select tenant_id, day, tracking_id, started_at from {{ this }}
    where (tenant_id, day, tracking_id, started_at) in (
        select tenant_id, toDate(started_at, 'UTC'), tracking_id, started_at from changed  -- noqa: AL03
        where is_gone
    )
)

select
    {{ columns }},
    {{ campaign_turn() }} as turn,
    is_gone as is_deleted
from changed
where not is_gone or (tenant_id, toDate(started_at, 'UTC'), tracking_id, started_at) in (select * from known)

{%- endif %}
