{#-
  The condition that a row of raw is left out: a model fails on rows of its visitor, or of its tenant
  (docs/decisions/0033-quarantine.md).
-#}
{% macro is_quarantined() -%}
    (
        (tenant_id, tracking_id) in (select tenant_id, tracking_id from {{ ref('stg_operational__quarantine') }})
        or tenant_id in {{ held_tenants() }}
    )
{%- endmacro %}

{#- The tenants of whom a turn takes nothing. -#}
{% macro held_tenants() -%}
    (select arrayJoin(held_tenants) from {{ ref('current_turn') }})
{%- endmacro %}
