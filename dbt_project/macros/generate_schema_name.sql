{#- A model's schema is a database of the warehouse, named exactly as configured: `marts`, not `staging_marts`. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
