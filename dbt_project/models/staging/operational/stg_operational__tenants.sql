with

source as (
    select * from {{ source('operational', 'tenants') }}
)

select
    tenant_id,
    {{ bounded_text('source.name', 2048) }} as name,
    timezone as time_zone,
    default_region,
    if(coalesce(source.language, '') = '', 'pt-BR', assumeNotNull(source.language)) as language,
    currency,
    consent_default,
    is_active,
    arrayMap(
        rule -> (arrayMap(each -> (each.field, each.operator, each.value), rule.conditions), rule.channel),
        JSONExtract(
            source.channel_rules,
            'Array(Tuple(channel String, conditions Array(Tuple(field String, operator String, value String))))'
        )
    ) as channel_rules,
    JSONExtract(source.excluded_referrers, 'Array(String)') as excluded_referrers,
    cast(if(
        timezone = '' or timezone in (select time_zone from system.time_zones), [],
        [('timezone', 'unknown_time_zone', {{ bounded_text('timezone', 200) }})]
    ), 'Array(Tuple(String, String, String))') as set_aside,
    toDateTime64(mirrored_at, 3, 'UTC') as mirrored_at
from source
where source.mirrored_at = (select max(mirrored_at) from source)
limit 1 by tenant_id
