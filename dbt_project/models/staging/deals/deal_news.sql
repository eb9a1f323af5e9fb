{#-
  The tenants whose deals a turn of deals takes: those with loads behind the last one taken, and those whose mapping of
  stages, rates or currency changed since.

  Reads the rows of ops.deal_turns, one for each tenant, the loads behind the newest by the index over `loaded_at`, and the
  mirrored settings.
-#}
{{ config(tags=['deals'], materialized='table', engine='MergeTree()', order_by=['tenant_id']) }}

{%- set turns = built_so_far('ops', 'deal_turns') %}
{#- Of pulls that run beside one another the later one may be there first. -#}
{%- set overlap_minutes = 10 %}

with

known as (
    {% if turns -%}
    select
        tenant_id,
        loaded_until,
        settings_digest,
        turn
    from {{ turns }}
    {%- else -%}
    select
        '' as tenant_id,
        toDateTime64(0, 3, 'UTC') as loaded_until,
        toUInt64(0) as settings_digest,
        toUInt64(0) as turn
    where false
    {%- endif %}
),

loads as (
    select
        tenant_id,
        toDateTime64(max(loaded_at), 3, 'UTC') as newest
    from {{ source('deals', 'deal_records') }}
    where loaded_at > (select max(loaded_until) from known) - interval {{ overlap_minutes }} minute
    group by tenant_id
),

configured as (
    select
        tenant_id,
        groupBitXor(setting) as digest
    from (
        select
            tenant_id,
            cityHash64('stage', destination_id, pipeline_id, stage_id, stage) as setting
        from {{ ref('stg_operational__deal_stages') }}
        union all
        select
            tenant_id,
            cityHash64('rate', currency, from_date, rate) as setting
        from {{ ref('stg_operational__tenant_rates') }}
        union all
        select
            tenant_id,
            cityHash64('tenant', currency, time_zone) as setting
        from {{ ref('stg_operational__tenants') }}
    )
    group by tenant_id
)

select
    configured.tenant_id as tenant_id,
    greatest(known.loaded_until, loads.newest) as loaded_until,
    configured.digest as settings_digest,
    -- Milliseconds since 1970, so that numbers only grow, also when everything is built anew.
    greatest(assumeNotNull((select max(turn) from known)) + 1, toUInt64(toUnixTimestamp64Milli(now64(3)))) as turn
from configured
left join loads on configured.tenant_id = loads.tenant_id
left join known on configured.tenant_id = known.tenant_id
where
    loads.newest > known.loaded_until
    or (known.tenant_id != '' and known.settings_digest != configured.digest)
