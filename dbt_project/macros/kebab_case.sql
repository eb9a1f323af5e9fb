{#- A text as a Chatwoot label wants it: lower case, accents dropped, everything but letters and digits one hyphen. -#}
{% macro kebab_case(text) -%}
    trim(both '-' from replaceRegexpAll(
        replaceRegexpAll(normalizeUTF8NFD(lowerUTF8({{ text }})), '\\p{Mn}', ''), '[^a-z0-9_]+', '-'
    ))
{%- endmacro %}
