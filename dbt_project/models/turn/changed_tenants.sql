{#-
  The tenants whose settings are others than those that their rows were built with: each is a request to compute them
  again, of its own id for the same settings until these or others are applied. It goes on where its last piece ended if no
  other request of the tenant's settings has taken a piece since `worked_since`; 0 is before its first piece. Without either
  difference there is nothing to compute, and the settings are applied with the turn. Reads the mirrored settings of all tenants and the seeds, a few thousand rows.
-#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id']) }}

{%- set applied = built_so_far('staging', 'applied_settings') %}
{%- set events = built_so_far('enriched', 'events') %}

with

destinations as (
    select
        tenant_id,
        groupBitXor(cityHash64(destination_id, destination_kind, destination_name, is_enabled)) as destinations_hash
    from {{ ref('stg_operational__destinations') }}
    group by tenant_id
),

rates as (
    select
        tenant_id,
        groupBitXor(cityHash64(currency, from_date, rate)) as rates_hash
    from {{ ref('stg_operational__tenant_rates') }}
    group by tenant_id
),

lead_rules as (
    select
        tenant_id,
        any(digest) as rules_digest
    from {{ ref('stg_operational__lead_rules') }}
    group by tenant_id
),

present as (
    select
        rules.tenant_id as tenant_id,
        {{ rules_version() }} as rules_version,
        lower(hex(cityHash64(
            is_active, consent_default, destinations.destinations_hash, rules.currency, rates.rates_hash,
            lead_rules.rules_digest
        ))) as deliveries_version
    from {{ ref('tenant_rules') }} as rules
    left join destinations on rules.tenant_id = destinations.tenant_id
    left join rates on rules.tenant_id = rates.tenant_id
    left join lead_rules on rules.tenant_id = lead_rules.tenant_id
)

{%- if applied and events %}
,
compared as (
    select
        present.*,
        applied.tenant_id = '' as is_new,
        applied.rules_version != present.rules_version as has_other_rules,
        applied.deliveries_version != present.deliveries_version as has_other_deliveries,
        applied.rules_version as applied_rules_version,
        applied.deliveries_version as applied_deliveries_version,
        applied.applied_in_turn as applied_in_turn,
        toString(reinterpretAsUUID(MD5(
            concat(
                present.tenant_id, ' ', present.rules_version, ' ', present.deliveries_version, ' ',
                toString(applied.applied_in_turn)
            )
        ))) as request_id,
        if(applied.request_id = request_id, applied.worked_since, 0) as worked_since
    from present
    left join {{ applied }} as applied on present.tenant_id = applied.tenant_id
),

-- A tenant that is new has nothing to be enriched again, unless its events came before its settings.
enriched_before as (
    select distinct tenant_id from {{ events }}
    where tenant_id in (
        select tenant_id from compared
        where is_new
    )
)

select
    tenant_id,
    rules_version,
    deliveries_version,
    has_other_rules and (not is_new or tenant_id in (select tenant_id from enriched_before)) as has_other_rules,
    has_other_deliveries and not is_new as has_other_deliveries,
    applied_rules_version,
    applied_deliveries_version,
    applied_in_turn,
    request_id,
    worked_since
from compared
where compared.has_other_rules or compared.has_other_deliveries

{%- else %}

select
    tenant_id,
    rules_version,
    deliveries_version,
    false as has_other_rules,
    false as has_other_deliveries,
    '' as applied_rules_version,
    '' as applied_deliveries_version,
    toUInt64(0) as applied_in_turn,
    '' as request_id,
    toUInt64(0) as worked_since
from present

{%- endif %}
