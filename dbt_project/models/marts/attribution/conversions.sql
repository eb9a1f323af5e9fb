{#- Reads in a turn its leads and their conversion events, and the rates of their tenants. -#}
-- depends_on: {{ ref('affected_leads') }}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'lead_id', 'conversion_id'],
    settings={'index_granularity': 256},
    indexes=looked_up_by(['lead_id']),
) }}

with

-- Becoming a lead is a conversion, once a lead, whatever made it so. It has the lead's source, which its first conversion
-- decided.
all_conversions as (
    select
        tenant_id,
        concat('lead:', lead_id) as conversion_id,
        lead_id,
        'lead' as kind,
        'lead' as name,
        identifying_event_id as event_id,
        created_at as occurred_at,
        created_date as occurred_date,
        first_converted_at as path_ends_at,
        toDecimal64(0, 2) as revenue,
        '' as said_currency,
        '' as order_id
    from {{ ref('leads') }}
    where {{ is_in('affected_leads', 'lead_id') }}

    union all

    select
        tenant_id,
        event_id as conversion_id,
        lead_id,
        'event' as kind,
        name,
        event_id,
        occurred_at,
        occurred_date,
        occurred_at as path_ends_at,
        revenue,
        currency as said_currency,
        order_paid as order_id
    from {{ ref('conversion_events') }}
),

priced as (
    select
        all_conversions.*,
        tenant_rules.currency as own_currency,
        if(said_currency = '', own_currency, said_currency) as currency
    from all_conversions
    left join {{ ref('tenant_rules') }} as tenant_rules on all_conversions.tenant_id = tenant_rules.tenant_id
),

-- The rate of the day, which is the last that was set for that day or one before.
computed as (
    select
        priced.tenant_id as tenant_id,
        conversion_id,
        lead_id,
        kind,
        name,
        event_id,
        occurred_at,
        occurred_date,
        path_ends_at,
        revenue,
        priced.currency as currency,
        multiIf(
            priced.currency = own_currency, toDecimal128(revenue, 2),
            rates.rate > 0, toDecimal128(round(toDecimal128(revenue, 2) * rates.rate, 2), 2),
            null
        ) as converted_revenue,
        order_id
    from priced
    asof left join {{ ref('stg_operational__tenant_rates') }} as rates
        on priced.tenant_id = rates.tenant_id
        and priced.currency = rates.currency
        and priced.occurred_date >= rates.from_date
)

{{ versions('computed', rows_of_affected_leads(), ['tenant_id', 'lead_id', 'conversion_id']) }}
