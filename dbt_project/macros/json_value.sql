{#- What a JSON value says as text: that of a text, otherwise as it is written. -#}
{% macro json_text(raw) -%}
    if(startsWith({{ raw }}, '"'), JSONExtractString({{ raw }}), {{ raw }})
{%- endmacro %}

{#- The elements of a JSON list, otherwise the value alone. -#}
{% macro json_elements(raw) -%}
    if(startsWith({{ raw }}, '['), JSONExtractArrayRaw({{ raw }}), [{{ raw }}])
{%- endmacro %}
