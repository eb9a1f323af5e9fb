{{ config(materialized='view') }}

with

deliveries as (
    select * from {{ ref('stg_operational__deliveries') }}
),

destinations as (
    select * from {{ ref('stg_operational__destinations') }}
)

select
    deliveries.*,
    destinations.destination_kind as destination_kind,
    destinations.destination_name as destination_name
from deliveries
left join destinations using (tenant_id, destination_id)
