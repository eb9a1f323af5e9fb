{#-
  A table as the turn before left it, none when this run builds everything. Not a ref: it is written after those who ask.
-#}
{% macro built_so_far(database, name) %}
    {% if not execute or flags.FULL_REFRESH %}{{ return(none) }}{% endif %}
    {{ return(adapter.get_relation(database='', schema=generate_schema_name(database, none), identifier=name)) }}
{% endmacro %}
