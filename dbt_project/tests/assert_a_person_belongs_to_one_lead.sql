-- A person at a visitor does: the visitor itself belongs to the leads of all who use it.
select
    tenant_id,
    person_id,
    groupUniqArray(lead_id) as lead_ids
from {{ ref('leads') }}
array join people as person_id
group by tenant_id, person_id
having length(lead_ids) > 1
