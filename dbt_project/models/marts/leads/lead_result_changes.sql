{#-
  What has become of results, kept whatever is built anew: who owned a lead, and when it left a segment, is in no event.
  Reads in a turn the results of its leads and their last rows here.
-#}
-- depends_on: {{ ref('affected_leads') }}
-- depends_on: {{ ref('due_leads') }}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='MergeTree()',
    order_by=['tenant_id', 'lead_id', 'valid_from'],
    settings={'index_granularity': 256},
    indexes=looked_up_by(['lead_id']),
) }}

{%- set recorded = standing_table('marts', 'lead_result_changes') %}
{%- set said = [
    'score', 'segments', 'labels', 'stage', 'priority', 'inbox', 'team', 'owner', 'route_reason', 'send_to', 'withheld_from'
] %}

with

results as (
    select
        *,
        ({{ said | join(', ') }}) as said
    from {{ ref('lead_results') }}
    where {{ is_among('affected_leads', 'lead_id') }}
),

before as (
    {% if recorded -%}
    select
        tenant_id,
        lead_id,
        argMax(({{ said | join(', ') }}), (turn, valid_from)) as last_said,
        argMax(segments, (turn, valid_from)) as last_segments
    from {{ recorded }}
    where {{ is_among('affected_leads', 'lead_id') }}
    group by tenant_id, lead_id
    {%- else -%}
    select
        tenant_id,
        lead_id,
        said as last_said,
        segments as last_segments
    from results
    where false
    {%- endif %}
),

due as (
    select * from {{ ref('due_leads') }}
    where not is_told and {{ turn_of_request() }} = ''
)

select
    results.tenant_id as tenant_id,
    results.lead_id as lead_id,
    if(due.lead_id = '', results.evaluated_at, due.was_due_at) as valid_from,
    results.version as version,
    {%- for column in said %}
    results.{{ column }} as {{ column }},
    {%- endfor %}
    results.people as people,
    arrayFilter(segment -> not has(before.last_segments, segment), results.segments) as entered_segments,
    arrayFilter(segment -> not has(results.segments, segment), before.last_segments) as left_segments,
    {{ turn() }} as turn
from results
left join before on results.tenant_id = before.tenant_id and results.lead_id = before.lead_id
left join due on results.tenant_id = due.tenant_id and results.lead_id = due.lead_id
where before.lead_id = '' or results.said != before.last_said
