{#- Pattern of the code that the script puts into a WhatsApp link: the end of a session's id. -#}
{% macro link_code_pattern() -%}
    ^[0-9a-f]{8}$
{%- endmacro %}
