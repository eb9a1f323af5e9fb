-- Also proves that the identity graph converged: a component cut by too few rounds leaves an identifier in two leads.
select
    tenant_id,
    kind,
    value,
    groupUniqArray(lead_id) as lead_ids
from {{ ref('identities') }}
where kind != 'tracking_id' and not is_shared
group by tenant_id, kind, value
having count() > 1
