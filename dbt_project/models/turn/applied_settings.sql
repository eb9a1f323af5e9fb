{#-
  What each tenant's rows were built with: written at once where no row depends on it, else with the last piece of the
  request that computes them again. With each piece before it the version that changes is '', as the rows are of no one
  version: whatever settings come next, also those of before, are another request.
-#}
-- depends_on: {{ ref('lead_deliveries') }}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn)',
    order_by=['tenant_id'],
) }}

with

changed as (
    select
        *,
        not has_other_rules and not has_other_deliveries as is_free,
        is_free or {{ is_last_piece() }} as is_applied
    from {{ ref('changed_tenants') }}
)

select
    changed.tenant_id as tenant_id,
    multiIf(is_applied, changed.rules_version, has_other_rules, '', applied_rules_version) as rules_version,
    multiIf(is_applied, changed.deliveries_version, has_other_deliveries, '', applied_deliveries_version)
        as deliveries_version,
    if(is_applied, {{ turn() }}, changed.applied_in_turn) as applied_in_turn,
    if(is_applied, '', changed.request_id) as request_id,
    multiIf(is_applied, 0, changed.worked_since = 0, {{ turn() }}, changed.worked_since) as worked_since,
    {{ turn() }} as turn
from changed
where is_free or changed.request_id = {{ turn_of_request() }}
