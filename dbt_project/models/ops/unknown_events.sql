{#- A view: reads the tenant's records at destinations. The mark is that of reverse_etl/lead.py. -#}
select distinct
    records.tenant_id as tenant_id,
    records.destination_id as destination_id,
    destinations.destination_name as destination_name,
    records.lead_id as lead_id,
    replaceRegexpOne(records.remote_kind, '^event:[^:]*:', '') as event_id
from {{ ref('stg_operational__destination_records') }} as records
inner join {{ ref('stg_operational__destinations') }} as destinations
    on records.tenant_id = destinations.tenant_id and records.destination_id = destinations.destination_id
where
    startsWith(records.remote_kind, 'event:')
    and records.remote_id = 'unknown'
