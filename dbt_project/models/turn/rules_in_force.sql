{#- The rules of the tenants of the turn's leads. Reads the mirrored rules of all tenants. -#}
-- depends_on: {{ ref('current_turn') }}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'position', 'rule_id']) }}

select
    tenant_id,
    version,
    position,
    rule_id,
    name,
    clauses,
    actions,
    -- How many literals of each clause do not wait for the score.
    arrayMap(clause -> toUInt32(arrayCount(one -> one.fact != 'lead.score', clause)), clauses) as needed,
    arrayDistinct(arrayConcat(
        arrayMap(one -> one.fact, arrayFlatten(clauses)),
        arrayFilter(fact -> fact != '', arrayFlatten(arrayMap(action -> [action.each, action.since], actions)))
    )) as facts
from {{ ref('stg_operational__lead_rules') }}
where tenant_id in (select tenant_id from {{ affected('affected_leads') }})
