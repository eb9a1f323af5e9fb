{#- Reads the identifiers and leads of the tenant. -#}

with

identities as (
    select * from {{ ref('identities') }}
    where kind != 'tracking_id'
),

-- Visitors who say another name and reach them another way than the lead's own.
other_people as (
    select
        tenant_id,
        lead_id,
        alternative.3 as tracking_id
    from {{ ref('leads') }}
    array join alternatives as alternative
    where
        alternative.1 in ('email', 'phone')
        or (alternative.1 = 'name' and {{ first_word('alternative.2') }} != {{ first_word('name') }})
    group by tenant_id, lead_id, tracking_id
    having uniqExact(alternative.1) > 1 and max(alternative.1 = 'name')
)

select
    tenant_id,
    kind,
    value,
    'too_many_visitors' as reason,
    uniqExactArray(tracking_ids) as visitors,
    uniqExact(lead_id) as leads,
    max(last_seen_at) as last_stated_at
from identities
where is_shared
group by tenant_id, kind, value

union all

select
    tenant_id,
    'lead' as kind,
    lead_id as value,
    'large_lead' as reason,
    toUInt64(length(tracking_ids)) as visitors,
    toUInt64(1) as leads,
    last_event_at as last_stated_at
from {{ ref('leads') }}
where length(tracking_ids) > {{ var('visitors_of_a_large_lead') }}

union all

select
    identities.tenant_id as tenant_id,
    identities.kind as kind,
    identities.value as value,
    'different_people' as reason,
    uniqExactArray(identities.tracking_ids) as visitors,
    uniqExact(identities.lead_id) as leads,
    max(identities.last_seen_at) as last_stated_at
from identities
inner join other_people
    on identities.tenant_id = other_people.tenant_id and identities.lead_id = other_people.lead_id
where
    not identities.is_shared
    and length(identities.tracking_ids) > 1
    and has(identities.tracking_ids, other_people.tracking_id)
group by tenant_id, kind, value
