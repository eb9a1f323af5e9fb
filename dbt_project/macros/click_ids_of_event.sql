{#- The click ids of a row of enriched.events, as a Map from name to value without those that name no click. -#}
{% macro click_ids_of_event() -%}
    mapFilter((name, value) -> {{ stated_name('value') }} != '', map(
        {%- for name in click_id_names() %}
        '{{ name }}', {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}
