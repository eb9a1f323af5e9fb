{#- A view: reads the records that the ledger knows of the tenant, and its destinations. -#}
{{ config(materialized='view') }}

with

records as (
    select * from {{ ref('stg_operational__destination_records') }}
),

destinations as (
    select * from {{ ref('stg_operational__destinations') }}
)

select
    records.tenant_id as tenant_id,
    records.destination_id as destination_id,
    destinations.destination_kind as destination_kind,
    destinations.destination_name as destination_name,
    records.lead_id as lead_id,
    records.remote_kind as remote_kind,
    records.remote_id as remote_id
from records
left join destinations on records.tenant_id = destinations.tenant_id and records.destination_id = destinations.destination_id
