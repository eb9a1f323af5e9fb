{#- Valid UTF-8 without NUL, cut after `most` characters. -#}
{% macro bounded_text(text, most) -%}
    substringUTF8(replaceAll(toValidUTF8({{ text }}), '\0', ''), 1, {{ most }})
{%- endmacro %}
