{{ config(materialized='view') }}

with

attempts as (
    select * from {{ ref('stg_operational__delivery_attempts') }}
),

destinations as (
    select * from {{ ref('stg_operational__destinations') }}
)

select
    attempts.*,
    destinations.destination_kind as destination_kind,
    destinations.destination_name as destination_name
from attempts
left join destinations using (tenant_id, destination_id)
