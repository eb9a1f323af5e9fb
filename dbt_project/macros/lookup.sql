{#- The `result` of the row of `relation` whose `key` (unique in it) equals `value`, '' when there is none. -#}
{% macro lookup(value, relation, key, result) -%}
    transform(
        {{ value }},
        {{ column_as_array(relation, key, key) }},
        {{ column_as_array(relation, result, key) }},
        ''
    )
{%- endmacro %}
