{#-
  The leads that the turn computes: those its visitors belong to now, and those they belonged to before. Written before
  identities are.
-#}
-- depends_on: {{ ref('lead_visitors') }}
{{ affected_set(['tenant_id', 'lead_id']) }}

{%- set identities = built_so_far('marts', 'identities') %}

select distinct
    tenant_id,
    lead_id,
    {{ turn() }} as turn
from (
    select tenant_id, lead_id from {{ ref('lead_members') }}
    {% if identities -%}
    union all
    select tenant_id, lead_id from {{ identities }}
    where (tenant_id, kind, value) in (
        select
            tenant_id,
            'tracking_id' as kind,
            tracking_id
        from {{ affected('lead_visitors') }}
    )
    {%- endif %}
)
