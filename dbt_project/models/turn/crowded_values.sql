{#-
  Values that more visitors state than may share one: they connect nobody. Reads in a turn those that its visitors state.
-#}
-- depends_on: {{ ref('recounted_values') }}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'kind', 'value'],
) }}

with

computed as (
    select distinct
        tenant_id,
        kind,
        value
    from {{ ref('stated_identifiers') }}
    where is_shared
)

{% if is_incremental() -%}
,
known as (
    select * from {{ this }}
    where (tenant_id, kind, value) in (
        select
            tenant_id,
            kind,
            value
        from {{ ref('stated_identifiers') }}
        union all
        select
            tenant_id,
            kind,
            value
        from {{ ref('recounted_values') }}
    )
)
{%- endif %}

{{ versions('computed', 'known', ['tenant_id', 'kind', 'value']) }}
