{#- Reads the turns that took pieces of requests, and the rows of these requests in ops.request_changes. -#}
{{ config(tags=['request']) }}

with

changes as (
    select
        request_id,
        tenant_id,
        kind,
        subject,
        argMin(before, turn) as first_before,
        argMax(after, turn) as last_after
    from {{ ref('request_changes') }}
    group by request_id, tenant_id, kind, subject
),

changed as (
    select
        request_id,
        countIf(kind = 'lead' and first_before != '' and last_after != '' and first_before != last_after) as changed_leads,
        countIf(kind = 'lead' and first_before = '' and last_after != '') as new_leads,
        countIf(kind = 'lead' and first_before != '' and last_after = '') as gone_leads,
        countIf(kind = 'lead' and first_before != '' and first_before = last_after) as unchanged_leads,
        countIf(kind = 'source' and first_before != '' and last_after != '' and first_before != last_after) as changed_sources,
        sumIf(
            greatest(toInt64OrZero(last_after) - toInt64OrZero(first_before), 0), kind = 'sessions' and first_before != ''
        ) as split_sessions,
        sumIf(
            greatest(toInt64OrZero(first_before) - toInt64OrZero(last_after), 0), kind = 'sessions' and first_before != ''
        ) as joined_sessions,
        countIf(kind = 'delivery') as deliveries
    from changes
    group by request_id
),

worked as (
    select
        request_id,
        any(request_tenant_id) as tenant_id,
        any(reason) as kind,
        argMax(position, turn) as position,
        count() as pieces,
        sum(visitors) as visitors,
        sum(events) as events,
        max(is_request_done) as is_done
    from {{ ref('turns') }}
    where request_id != ''
    group by request_id
)

select
    worked.*,
    changed.* except (request_id)
from worked
left join changed on worked.request_id = changed.request_id
