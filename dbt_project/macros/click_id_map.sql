{#- The click ids among some parameters, as a Map from name to value without the empty ones. -#}
{% macro click_id_map(params) -%}
    mapFilter((name, value) -> value != '' and name in ('{{ click_id_names() | join("', '") }}'), {{ params }})
{%- endmacro %}
