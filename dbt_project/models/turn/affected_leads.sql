{#-
  The leads that the turn computes: those that the people of its visitors belong to now, and those they belonged to before.
  Written before identities are.
-#}
-- depends_on: {{ ref('lead_visitors') }}
-- depends_on: {{ ref('crowded_values') }}
{{ affected_set(['tenant_id', 'lead_id']) }}

select distinct
    tenant_id,
    lead_id,
    {{ turn_of_request() }} as request_id
from (
    select
        tenant_id,
        lead_id
    from {{ ref('lead_members') }}
    union all
    select
        tenant_id,
        lead_id
    from {{ affected('lead_visitors') }}
    where lead_id != ''
)
