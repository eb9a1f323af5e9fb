with

funnel as (
    select
        tenant_id,
        sum(leads) as funnel_leads
    from {{ ref('funnel_daily') }}
    group by tenant_id
),

leads as (
    select
        tenant_id,
        count() as known_leads
    from {{ ref('leads') }}
    group by tenant_id
)

select * from funnel
full join leads using (tenant_id)
where funnel_leads != known_leads
