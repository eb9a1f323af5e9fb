{#-
  The open request whose turn it is: that which has waited longest since its last piece. One row or none, with how far it
  has come and how many are open. `turns` is ops.turns; without it everything is built anyway.
-#}
{% macro next_request(turns) -%}
{%- set asked = ref('stg_operational__warehouse_requests') -%}
with

requests as (
    select
        request_id,
        kind,
        tenant_id,
        lead_ids,
        notEmpty(lead_ids) as is_about_leads,
        false as is_of_leads_alone,
        received_from,
        received_before,
        created_at,
        toUInt64(0) as worked_since
    from {{ asked }}
    where is_open and kind != 'settings' and not {{ waits_for_release() }}
    union all
    -- With other rules over leads, other destinations or another default of consent, events and sessions are as they were.
    select
        request_id,
        'settings' as kind,
        tenant_id,
        cast([], 'Array(String)') as lead_ids,
        false as is_about_leads,
        not has_other_rules as is_of_leads_alone,
        toDateTime64(0, 3, 'UTC') as received_from,
        toDateTime64('2105-01-01 00:00:00', 3, 'UTC') as received_before,
        toDateTime64(0, 6, 'UTC') as created_at,
        -- None of its pieces counts before the first.
        if(settings.worked_since = 0, toUInt64(-1), settings.worked_since) as worked_since
    from {{ ref('changed_tenants') }} as settings
    where
        (has_other_rules or has_other_deliveries)
        and request_id not in (
            select request_id from {{ asked }}
            where not is_open
        )
        and tenant_id not in (select tenant_id from {{ ref('stg_operational__quarantine') }} where tracking_id = '')
),

worked as (
    {% if turns -%}
    select
        turns.request_id as request_id,
        max(turns.turn) as worked_in_turn,
        argMaxIf(turns.position, turns.turn, turns.turn >= requests.worked_since) as position,
        maxIf(turns.is_request_done, turns.turn >= requests.worked_since) as is_done
    from {{ turns }} as turns
    inner join requests on turns.request_id = requests.request_id
    where turns.request_id in (select request_id from requests)
    group by turns.request_id
    {%- else -%}
    select
        '' as request_id,
        toUInt64(0) as worked_in_turn,
        '' as position,
        false as is_done
    {%- endif %}
)

select
    requests.*,
    worked.position as position,
    count() over () as open_requests
from requests
left join worked on requests.request_id = worked.request_id
where not worked.is_done and {{ 'true' if turns else 'false' }}
order by worked.worked_in_turn, requests.created_at, requests.request_id
limit 1
{%- endmacro %}

{#- Whether a request waits for a release: its tenant, or a visitor it names, is quarantined. -#}
{% macro waits_for_release() -%}
    (
        tenant_id in (select tenant_id from {{ ref('stg_operational__quarantine') }} where tracking_id = '')
        or hasAny(lead_ids, (select groupArray(tracking_id) from {{ ref('stg_operational__quarantine') }}))
    )
{%- endmacro %}
