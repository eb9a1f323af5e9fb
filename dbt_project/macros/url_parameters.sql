{#- Parameters of a URL as a Map, decoded as a browser decodes a form; of a repeated one the first counts. -#}
{% macro url_parameters(url) -%}
    mapFromArrays(
        arrayMap(pair -> decodeURLFormComponent(splitByChar('=', pair)[1]), extractURLParameters({{ url }})),
        arrayMap(pair -> decodeURLFormComponent(substring(pair, length(splitByChar('=', pair)[1]) + 2)), extractURLParameters({{ url }}))
    )
{%- endmacro %}
