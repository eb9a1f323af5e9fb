{#-
  What rules ask of the deals of the turn's leads, in the form of lead_facts. A lead whose other deal was won is not lost: of
  several deals a won one speaks first, then an open one, of these the newest. Reads these deals.
-#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'lead_id', 'fact']) }}

{%- set no_moments = "cast([], 'Array(DateTime64(3, \\'UTC\\'))')" %}
{%- set no_texts = "cast([], 'Array(String)')" %}
{%- set no_number = "cast(null, 'Nullable(Float64)')" %}
{%- set texts = ['status', 'stage', 'stage_name', 'pipeline', 'lost_reason'] %}
{%- set numbers = {'value': 'first_deal.6', 'count': 'deals', 'won_value': 'won_value'} %}
{%- set times = ['created_at', 'closed_at'] %}

with

asked as (
    select distinct
        tenant_id,
        arrayJoin(facts) as fact
    from {{ ref('rules_in_force') }}
    where startsWith(fact, 'deal.')
),

summed as (
    select
        tenant_id,
        lead_id,
        count() as deals,
        if(countIf(status = 'won') = 0, null, sumIf(converted_value, status = 'won')) as won_value,
        argMin(
            (status, stage, stage_name, pipeline, lost_reason, converted_value, toNullable(created_at), closed_at),
            (
                indexOf(['won', 'open', 'lost'], status),
                -toUnixTimestamp64Milli(coalesce(closed_at, created_at, {{ never() }})),
                destination_id,
                deal_id
            )
        ) as first_deal
    from {{ ref('deals_of_leads') }}
    where tenant_id in (select tenant_id from asked)
    group by tenant_id, lead_id
),

known as (
    select
        tenant_id,
        lead_id,
        arrayJoin([
            {%- for name in texts %}
            (
                'deal.{{ name }}', arrayFilter(text -> text != '', [{{ folded('first_deal.' ~ loop.index) }}]),
                {{ no_number }}, {{ no_moments }}
            ),
            {%- endfor %}
            {%- for name, sql in numbers.items() %}
            ('deal.{{ name }}', {{ no_texts }}, toFloat64({{ sql }}), {{ no_moments }}),
            {%- endfor %}
            {%- for name in times %}
            {%- set sql = 'first_deal.' ~ (loop.index + 6) %}
            (
                'deal.{{ name }}', {{ no_texts }}, {{ no_number }},
                if({{ sql }} is null, {{ no_moments }}, [assumeNotNull({{ sql }})])
            ){{ ',' if not loop.last }}
            {%- endfor %}
        ]) as each
    from summed
)

select
    tenant_id,
    lead_id,
    each.1 as fact,
    each.2 as texts,
    each.3 as number,
    each.4 as moments
from known
where
    (tenant_id, each.1) in (select tenant_id, fact from asked)
    and (notEmpty(each.2) or each.3 is not null or notEmpty(each.4))
