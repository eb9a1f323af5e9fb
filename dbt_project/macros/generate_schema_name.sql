{#-
  A model's schema is a database of the warehouse, named as configured: `marts`, not `staging_marts`. Targets beside
  production put the beginning of their own schema before it: `dev_ana_marts`.
-#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ target.schema[:-('staging' | length)] }}{{ (custom_schema_name or 'staging') | trim }}
{%- endmacro %}
