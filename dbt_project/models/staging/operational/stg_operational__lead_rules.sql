{#- One row per rule in force: its clauses and actions as columns. Reads the newest snapshot. -#}
{%- set literal = [
    'fact String', 'operator String', 'negated Bool', 'texts Array(String)', 'numbers Array(Float64)', 'days UInt32',
    'count UInt32', 'missing_matches Bool'
] | join(', ') %}
{%- set action = [
    'kind String', 'points Int32', 'half_life_days UInt32', 'at_most UInt32', 'each String', 'since String', 'name String',
    'value String', 'inbox String', 'team String', 'agents Array(Tuple(agent String, weight UInt32))',
    'fallback_team String', 'keep_owner Bool', 'destinations Array(String)', 'each_time Bool'
] | join(', ') %}

with

source as (
    select * from {{ source('operational', 'lead_rules') }}
)

select
    tenant_id,
    toUInt32(source.version) as version,
    digest,
    toUInt32(source.position) as position,
    rule_id,
    {{ bounded_text('source.name', 120) }} as name,
    JSONExtract(source.rule, 'clauses', 'Array(Array(Tuple({{ literal }})))') as clauses,
    JSONExtract(source.rule, 'actions', 'Array(Tuple({{ action }}))') as actions,
    toBool(JSONExtractBool(source.rule, 'uses_score')) as uses_score
from source
where
    source.mirrored_at = (select max(mirrored_at) from source)
    and tenant_id != ''
limit 1 by tenant_id, rule_id
