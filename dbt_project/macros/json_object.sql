{#- A JSON object, keys sorted, from a Map of names to values that are JSON already. -#}
{% macro json_object(map) -%}
    concat('{', arrayStringConcat(
        arrayMap(
            (name, value) -> concat(toJSONString(name), ':', value),
            mapKeys(mapSort({{ map }})),
            mapValues(mapSort({{ map }}))
        ),
        ','
    ), '}')
{%- endmacro %}
