{#-
  A view: a deal's stage, outcome and money, without whose it is. Reads the states and entries of the tenant's deals, its
  stages and the history of its rates.
-#}
with

deals as (
    select * from {{ ref('stg_deals__deals') }}
),

survivors as (
    select tenant_id, destination_id, merged_id, max(deal_id) as survivor_id
    from (select tenant_id, destination_id, deal_id, arrayJoin(merged_ids) as merged_id from deals)
    where merged_id != deal_id
    group by tenant_id, destination_id, merged_id
),

reached as (
    select
        tenant_id,
        destination_id,
        deal_id,
        minOrNullIf(entered_at, stage = 'new') as new_at,
        minOrNullIf(entered_at, stage = 'working') as working_at,
        minOrNullIf(entered_at, stage = 'qualified') as qualified_at,
        max(indexOf(['new', 'working', 'qualified'], stage)) as furthest_place,
        argMax(stage_id, entered_at) as last_stage_id,
        max(entered_at) as last_entered_at
    from {{ ref('deal_stage_history') }}
    group by tenant_id, destination_id, deal_id
),

placed as (
    select
        deals.tenant_id as tenant_id,
        deals.destination_id as destination_id,
        deals.deal_id as deal_id,
        deals.product as product,
        deals.pipeline_id as pipeline_id,
        deals.stage_id as stage_id,
        deals.value as value,
        deals.created_at as created_at,
        deals.lost_reason as lost_reason,
        deals.updated_at as updated_at,
        deals.outcome_seen_at as outcome_seen_at,
        rules.currency as own_currency,
        rules.time_zone as time_zone,
        if(deals.currency = '', own_currency, deals.currency) as value_currency,
        stages.pipeline_label as pipeline_label,
        stages.stage_label as stage_label,
        if(mapped.stage = '', 'unmapped', mapped.stage) as stage,
        reached.new_at as new_at,
        reached.working_at as working_at,
        reached.qualified_at as qualified_at,
        greatest(reached.furthest_place, indexOf(['new', 'working', 'qualified'], stage)) as furthest_place,
        multiIf(
            deals.said_status in ('won', 'lost'), deals.said_status,
            stage in ('won', 'lost'), stage,
            'open'
        ) as status,
        if(reached.last_stage_id = deals.stage_id, reached.last_entered_at, deals.updated_at) as stage_entered_at,
        if(status = 'open', null, coalesce(deals.said_closed_at, stage_entered_at)) as closed_at,
        {{ tenant_date('assumeNotNull(closed_at)', 'time_zone') }} as day_of_closing,
        survivors.survivor_id as merged_into,
        (deals.is_deleted or archive.is_in_archive) as is_gone
    from deals
    left join {{ ref('tenant_rules') }} as rules on deals.tenant_id = rules.tenant_id
    left join {{ ref('stg_deals__stages') }} as stages
        on
            deals.tenant_id = stages.tenant_id
            and deals.destination_id = stages.destination_id
            and deals.pipeline_id = stages.pipeline_id
            and deals.stage_id = stages.stage_id
    left join {{ ref('stg_operational__deal_stages') }} as mapped
        on
            deals.tenant_id = mapped.tenant_id
            and deals.destination_id = mapped.destination_id
            and deals.pipeline_id = mapped.pipeline_id
            and deals.stage_id = mapped.stage_id
    left join reached
        on
            deals.tenant_id = reached.tenant_id
            and deals.destination_id = reached.destination_id
            and deals.deal_id = reached.deal_id
    left join survivors
        on
            deals.tenant_id = survivors.tenant_id
            and deals.destination_id = survivors.destination_id
            and deals.deal_id = survivors.merged_id
    left join {{ ref('stg_deals__archive') }} as archive
        on
            deals.tenant_id = archive.tenant_id
            and deals.destination_id = archive.destination_id
            and deals.deal_id = archive.deal_id
),

-- The rate of the closing day, of those known at some time: when the outcome was first seen, or as soon after as one was.
known as (
    select
        placed.tenant_id as tenant_id,
        placed.destination_id as destination_id,
        placed.deal_id as deal_id,
        greatest(rates.known_from, placed.outcome_seen_at) as known_at,
        argMax(rates.rate, rates.from_date) as rate
    from placed
    inner join {{ ref('stg_operational__rate_history') }} as rates
        on placed.tenant_id = rates.tenant_id and placed.value_currency = rates.currency
    where
        placed.status != 'open'
        and rates.from_date <= placed.day_of_closing
        and rates.known_until > placed.outcome_seen_at
    group by tenant_id, destination_id, deal_id, known_at
),

frozen as (
    select
        tenant_id,
        destination_id,
        deal_id,
        argMin(known.rate, known_at) as rate
    from known
    where known.rate > 0
    group by tenant_id, destination_id, deal_id
)

select
    placed.tenant_id as tenant_id,
    placed.destination_id as destination_id,
    placed.product as product,
    placed.deal_id as deal_id,
    placed.pipeline_id as pipeline_id,
    placed.pipeline_label as pipeline_label,
    placed.stage_id as stage_id,
    placed.stage_label as stage_label,
    placed.stage as stage,
    if(status = 'won', 'won', ['', 'new', 'working', 'qualified'][furthest_place + 1]) as furthest_stage,
    placed.new_at as new_at,
    placed.working_at as working_at,
    placed.qualified_at as qualified_at,
    if(status = 'won', placed.closed_at, null) as won_at,
    placed.status as status,
    placed.value as value,
    placed.value_currency as currency,
    multiIf(
        placed.value is null or placed.own_currency = '', null,
        placed.value_currency = placed.own_currency, toDecimal128(assumeNotNull(placed.value), 2),
        frozen.rate > 0, toDecimal128(round(toDecimal128(assumeNotNull(placed.value), 2) * frozen.rate, 2), 2),
        null
    ) as converted_value,
    multiIf(
        placed.value is null, 'no value',
        converted_value is not null, '',
        placed.status = 'open', 'not closed',
        'no rate'
    ) as unconverted_reason,
    placed.created_at as created_at,
    placed.closed_at as closed_at,
    if(placed.status = 'open', null, placed.day_of_closing) as closed_date,
    if(placed.status = 'lost', placed.lost_reason, '') as lost_reason,
    toBool(placed.is_gone) as is_deleted,
    placed.merged_into as merged_into,
    placed.updated_at as updated_at
from placed
left join frozen
    on
        placed.tenant_id = frozen.tenant_id
        and placed.destination_id = frozen.destination_id
        and placed.deal_id = frozen.deal_id
