{#- One row per rule in force: its clauses and actions as columns. Reads the newest snapshot. -#}
{{ config(tags=['lead_rules']) }}

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
    {{ clauses_of_rule('source.rule') }} as clauses,
    {{ actions_of_rule('source.rule') }} as actions,
    toBool(JSONExtractBool(source.rule, 'uses_score')) as uses_score
from source
where
    source.mirrored_at = (select max(mirrored_at) from source)
    and tenant_id != ''
limit 1 by tenant_id, rule_id
