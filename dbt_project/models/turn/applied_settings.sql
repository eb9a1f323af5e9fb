{#- What each tenant's rows were built with, written when they are. -#}
-- depends_on: {{ ref('lead_deliveries') }}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn)',
    order_by=['tenant_id'],
) }}

select
    tenant_id,
    rules_version,
    deliveries_version,
    {{ turn() }} as turn
from {{ ref('changed_tenants') }}
