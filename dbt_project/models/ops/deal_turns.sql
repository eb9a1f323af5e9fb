{#- Reads the turn. Written last: what a turn that died had taken is taken again. -#}
-- depends_on: {{ ref('lead_deals') }}
{{ config(tags=['deals'], materialized='incremental', engine='ReplacingMergeTree(turn)', order_by=['tenant_id']) }}

select
    tenant_id,
    loaded_until,
    settings_digest,
    turn,
    now64(3, 'UTC') as ended_at
from {{ ref('deal_news') }}
