{#- The first word of a text, in lower case and without accents. -#}
{% macro first_word(text) -%}
    splitByWhitespace(replaceRegexpAll(normalizeUTF8NFD(lowerUTF8({{ text }})), '\\p{Mn}', ''))[1]
{%- endmacro %}
