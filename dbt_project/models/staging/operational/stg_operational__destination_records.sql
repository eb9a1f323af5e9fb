select
    tenant_id,
    destination_id,
    lead_id,
    remote_kind,
    argMax(source.remote_id, (updated_at, mirrored_at)) as remote_id
from {{ source('operational', 'destination_records') }} as source
group by tenant_id, destination_id, lead_id, remote_kind
