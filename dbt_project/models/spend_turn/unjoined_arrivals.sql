{#- Reads in a turn of the affected days what arrived and was in no campaign, and what was counted of that before. -#}
-- depends_on: {{ ref('campaign_turn') }}
-- depends_on: {{ ref('affected_ad_days') }}
{%- set key = ['tenant_id', 'date', 'platform', 'source', 'medium', 'campaign', 'utm_campaign', 'landing_page', 'is_paid', 'reason'] %}
{{ campaign_table(key, partition_by='toYYYYMM(date)') }}

with

-- A lead is counted once, under its source.
computed as (
    select
        tenant_id,
        date,
        platform,
        source,
        medium,
        campaign,
        utm_campaign,
        landing_page,
        is_paid,
        reason,
        arraySort(groupUniqArrayArray(arrivals.candidates)) as candidates,
        countIf(lead_id = '') as visits,
        countIf(lead_id != '') as leads,
        max(arrivals.at) as last_at
    from {{ ref('campaign_arrivals') }} as arrivals
    where reason != '' and model in ('', 'last_non_direct')
    group by {{ key | join(', ') }}
)

{{ versions(
    'computed',
    '(select * from ' ~ this ~ ' where (tenant_id, date) in (select tenant_id, date from ' ~ ref('affected_ad_days') ~ '))',
    key,
    number=campaign_turn()
) }}
