{#-
  Indexes of a table whose rows are looked up by these columns. A granule that has none of the values is not read: most of a
  turn's visitors have no lead, and a lead's rows are in few of a table's parts. Where a row may have another value in its newer
  version, the engine still reads both (`use_skip_indexes_if_final_exact_mode`, which is its default).
-#}
{% macro looked_up_by(columns) %}
    {%- set indexes = [] %}
    {%- for column in columns %}
    {%- do indexes.append({'name': 'of_' ~ column, 'definition': column ~ ' type bloom_filter(0.001) granularity 1'}) %}
    {%- endfor %}
    {{ return(indexes) }}
{% endmacro %}
