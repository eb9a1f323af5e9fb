{#- The path of a page as rules name it: folded, without escapes, without a slash at its end. -#}
{% macro page_of_rules(path) -%}
    {%- set readable = 'toValidUTF8(decodeURLComponent(' ~ path ~ '))' -%}
    coalesce(nullIf(replaceRegexpOne({{ folded(readable) }}, '/+$', ''), ''), '/')
{%- endmacro %}
