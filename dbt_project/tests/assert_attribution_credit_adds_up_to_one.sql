-- Of every conversion, in every model.
with

credits as (
    select
        tenant_id,
        conversion_id,
        model,
        sum(credit) as total_credit
    from {{ ref('attribution') }}
    group by tenant_id, conversion_id, model
),

wanted as (
    select
        tenant_id,
        conversion_id,
        arrayJoin(['first_touch', 'last_touch', 'last_non_direct', 'linear']) as model
    from {{ ref('conversions') }}
)

select * from wanted
left join credits using (tenant_id, conversion_id, model)
where abs(total_credit - 1) > 1e-9
