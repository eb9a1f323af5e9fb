{#-
  What the yml of a model says in `config: {meta: {console: …}}`; macros/console_pages.sql reads it from the project.
-#}
{%- set pages = console_pages() -%}

with

tenants as (
    select tenant_id from {{ ref('tenant_rules') }}
    where tenant_id != ''
),

pages as (
    select arrayJoin(cast([
        {%- for page in pages %}
        ({{ text_literal(page.table) }}, {{ text_literal(page.definition) }}, {{ loop.index }}){{ ',' if not loop.last }}
        {%- endfor %}
    ], 'Array(Tuple(String, String, UInt16))')) as each
)

-- Every tenant has every page; the rows on it are those of the tenant, as everywhere.
select
    tenants.tenant_id as tenant_id,
    pages.each.2 as page,
    pages.each.1 as table_name,
    pages.each.3 as position
from tenants
cross join pages
