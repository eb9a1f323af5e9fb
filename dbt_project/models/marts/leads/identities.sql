{#- Reads in a turn the identities that its leads have now, and those they had before. -#}
-- depends_on: {{ ref('affected_leads') }}
{{ config(
    tags=['turn'],
    materialized='incremental',
    engine='ReplacingMergeTree(turn, is_deleted)',
    order_by=['tenant_id', 'kind', 'value', 'lead_id'],
    settings={'index_granularity': 256},
    indexes=looked_up_by(['value']),
) }}

{%- set leads = built_so_far('marts', 'leads') %}

with

members as (
    select distinct
        tenant_id,
        person_id,
        lead_id
    from {{ ref('lead_members') }}
),

computed as (
    select
        members.tenant_id as tenant_id,
        members.lead_id as lead_id,
        stated.kind as kind,
        stated.value as value,
        tupleElement(min(stated.first_statement), 3) as source,
        max(stated.confidence) as confidence,
        tupleElement(min(stated.first_statement), 1) as first_seen_at,
        max(stated.last_stated_at) as last_seen_at,
        arraySort(groupUniqArray(stated.tracking_id)) as tracking_ids,
        toBool(max(stated.is_shared)) as is_shared
    from {{ ref('stated_identifiers') }} as stated
    inner join members on stated.tenant_id = members.tenant_id and stated.person_id = members.person_id
    group by tenant_id, lead_id, kind, value
)

{% if is_incremental() -%}
,
known as (
    select * from {{ this }}
    where
        (tenant_id, kind, value) in (
            {% if leads -%}
            select
                tenant_id,
                (arrayJoin(identifiers) as identifier).1,
                identifier.2
            from {{ leads }}
            where {{ is_in('affected_leads', 'lead_id') }}
            union all
            {%- endif %}
            select tenant_id, kind, value from {{ ref('stated_identifiers') }}
        )
        and {{ is_in('affected_leads', 'lead_id') }}
)
{%- endif %}

{{ versions('computed', 'known', ['tenant_id', 'kind', 'value', 'lead_id']) }}
