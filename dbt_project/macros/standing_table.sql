{#-
  A table as readers see it, also for a build beside it: what is recorded there can be computed from nothing else. None
  before the first build.
-#}
{% macro standing_table(database, name) %}
    {% if not execute %}{{ return(none) }}{% endif %}
    {%- set schema = database if target.name == 'next' else generate_schema_name(database, none) -%}
    {{ return(adapter.get_relation(database='', schema=schema, identifier=name)) }}
{% endmacro %}

{#- Whether such a table has this column: one that an earlier version has built may not have it. -#}
{% macro has_column(table, name) %}
    {{ return(name in (adapter.get_columns_in_relation(table) | map(attribute='name') | list)) }}
{% endmacro %}
