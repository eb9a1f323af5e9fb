select
    tenant_id,
    destination_id,
    record_id as deal_id,
    argMax(JSONExtractBool(payload, 'is_deleted'), (loaded_at, version)) as is_in_archive
from {{ source('deals', 'deal_records') }}
where kind = 'archive'
group by tenant_id, destination_id, deal_id
