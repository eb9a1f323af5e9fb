{#- The click ids among some parameters, as a Map from name to value without those that name no click. -#}
{% macro click_id_map(params) -%}
    mapFilter((name, value) -> {{ stated_name('value') }} != '' and name in ('{{ click_id_names() | join("', '") }}'), {{ params }})
{%- endmacro %}
