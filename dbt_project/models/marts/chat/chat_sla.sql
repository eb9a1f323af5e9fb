{#-
  A view: by when a person was to answer, within the tenant's business hours, and whether one did. The clock begins with the
  customer's first message, and only a human answer or the end of the conversation stops it.

  Reads the tenant's conversations.
-#}
{{ config(materialized='view', tags=['chat_views']) }}

{%- set horizon_days = 60 %}

with

asked as (
    select
        conversations.tenant_id as tenant_id,
        conversations.* except (tenant_id),
        if(settings.first_response_minutes = 0, {{ var('first_response_minutes') }}, settings.first_response_minutes)
            as target_minutes,
        hours.time_zone as time_zone,
        hours.weekly as weekly,
        hours.special_days as special_days,
        {{ local_seconds('assumeNotNull(conversations.first_customer_message_at)', 'hours.time_zone') }} as asked_at_local,
        toInt32(intDiv(asked_at_local, 86400)) as asked_day,
        -- A conversation that was ended in time was so, also when the customer begins it again later.
        tupleElement(arrayFirst(
            each -> each.1 = 'resolved' and each.2 >= assumeNotNull(conversations.first_customer_message_at),
            conversations.status_history
        ), 2) as first_ended_at
    from {{ ref('conversations') }} as conversations
    left join {{ ref('chat_hours') }} as hours on conversations.tenant_id = hours.tenant_id
    left join {{ ref('stg_operational__chat_settings') }} as settings on conversations.tenant_id = settings.tenant_id
    where conversations.first_customer_message_at is not null
),

-- The day on which the target's last second lies: the open seconds of the days from the first on, added up.
days as (
    select
        *,
        arrayMap(
            number -> {{ hours_of_day('toInt32(asked_day + number)', 'weekly', 'special_days') }}, range({{ horizon_days }})
        ) as hours_of_days,
        arrayCumSum(arrayMap(hours -> {{ open_before('hours', 86400) }}, hours_of_days)) as open_seconds,
        target_minutes * 60 + {{ open_before('arrayElement(hours_of_days, 1)', 'modulo(asked_at_local, 86400)') }} as wanted,
        arrayFirstIndex(seconds -> seconds >= wanted, open_seconds) as place
    from asked
),

-- The interval of that day, and the second within it.
moments as (
    select
        *,
        arrayElement(hours_of_days, place) as due_hours,
        wanted - if(place > 1, arrayElement(open_seconds, place - 1), 0) as wanted_of_day,
        arrayFirst(
            until -> {{ open_before('due_hours', 'until.2') }} >= wanted_of_day, due_hours
        ) as due_interval,
        (toInt64(asked_day) + place - 1) * 86400 + toInt64(due_interval.2)
        - ({{ open_before('due_hours', 'due_interval.2') }} - wanted_of_day) as due_at_local,
        toDateTime64(due_at_local - {{ utc_offset('assumeNotNull(first_customer_message_at)', 'time_zone') }}, 3, 'UTC')
            as nearly_due_at,
        if(
            place = 0, null,
            toDateTime64(due_at_local - {{ utc_offset('nearly_due_at', 'time_zone') }}, 3, 'UTC')
        ) as due_at
    from days
)

select
    tenant_id,
    account_id,
    conversation_id,
    lead_id,
    status,
    inbox,
    team,
    assignee,
    responder,
    assumeNotNull(first_customer_message_at) as asked_at,
    target_minutes,
    due_at,
    first_response_at,
    first_response_business_seconds,
    waiting_since,
    toBool(first_response_at is null and status != 'resolved') as is_waiting,
    toBool(coalesce(least(
        coalesce(first_response_at, now64(3, 'UTC')),
        if(toUnixTimestamp64Milli(first_ended_at) = 0, now64(3, 'UTC'), first_ended_at)
    ) > due_at, false)) as is_breached
from moments
