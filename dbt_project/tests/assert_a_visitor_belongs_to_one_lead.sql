select
    tenant_id,
    tracking_id,
    groupUniqArray(lead_id) as lead_ids
from {{ ref('identities') }}
array join tracking_ids as tracking_id
group by tenant_id, tracking_id
having length(lead_ids) > 1
