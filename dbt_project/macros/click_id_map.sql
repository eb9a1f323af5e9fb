{#- The click ids that are there, as a Map from name to value; `prefix` comes before the columns' names. -#}
{% macro click_id_map(prefix='') -%}
    mapFilter((name, value) -> value != '', map(
        {%- for name in click_id_names() %}
        '{{ name }}', {{ prefix }}{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}
