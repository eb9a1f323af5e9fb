-- depends_on: {{ ref('campaign_days') }}
-- depends_on: {{ ref('unjoined_arrivals') }}
{{ config(tags=['campaigns'], materialized='incremental', engine='MergeTree()', order_by=['turn']) }}

select
    turn,
    started_at,
    events_until,
    assumeNotNull((select count() from {{ ref('affected_ad_days') }})) as days
from {{ ref('campaign_turn') }}
