{#-
  Shared values of whom an affected visitor may no longer be: a better copy of an event says something else, or the
  visitor is quarantined. All who state
  them are looked at in the turn. Empty in nearly every turn. Reads the leads of these visitors, and the shared values.
-#}
-- depends_on: {{ ref('fresh_events') }}
-- depends_on: {{ ref('withdrawn_events') }}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'kind', 'value']) }}

{%- set crowded_values = built_so_far('staging', 'crowded_values') %}
{%- set identities = built_so_far('marts', 'identities') %}
{%- set leads = built_so_far('marts', 'leads') %}

{% if crowded_values and identities and leads -%}

select
    tenant_id,
    kind,
    value
from {{ crowded_values }}
where (tenant_id, kind, value) in (
    select
        tenant_id,
        identifier.1 as kind,
        identifier.2 as value
    from {{ leads }}
    array join identifiers as identifier
    where (tenant_id, lead_id) in (
        select
            tenant_id,
            lead_id
        from {{ identities }}
        where (tenant_id, kind, value) in (
            select
                tenant_id,
                'tracking_id' as kind,
                tracking_id
            from {{ ref('fresh_events') }}
            where is_known
            union all
            select
                tenant_id,
                'tracking_id' as kind,
                tracking_id
            from {{ ref('withdrawn_events') }}
        )
    )
)

{%- else -%}

select
    '' as tenant_id,
    '' as kind,
    '' as value
where false

{%- endif %}
