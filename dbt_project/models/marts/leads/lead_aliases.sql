{#- A view: reads the people of the tenant's leads. -#}
{{ config(materialized='view') }}

select
    tenant_id,
    person_id as alias,
    lead_id
from {{ ref('leads') }}
array join people as person_id
where person_id != lead_id
