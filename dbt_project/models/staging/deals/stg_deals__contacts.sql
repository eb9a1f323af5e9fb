-- What was merged stays merged: the lists of all states count together.
select
    tenant_id,
    destination_id,
    record_id as contact_id,
    argMax(JSONExtractString(payload, 'lead_key'), (version, loaded_at)) as lead_key,
    arrayFilter(
        each -> each != contact_id, groupUniqArrayArray(JSONExtract(payload, 'merged_ids', 'Array(String)'))
    ) as merged_ids
from {{ source('deals', 'deal_records') }}
where kind in ('contact', 'merge')
group by tenant_id, destination_id, contact_id
