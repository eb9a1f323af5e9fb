{#- Of a Map of names to texts the given names alone, in their bounds: a sender may write thousands of others. -#}
{% macro bounded_map(map, names) -%}
    mapApply(
        (name, value) -> (name, {{ bounded_text('value', 2048) }}),
        mapFilter((name, value) -> name in ('{{ names | join("', '") }}'), {{ map }})
    )
{%- endmacro %}
