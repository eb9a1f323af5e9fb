{#- The path of a page as rules name it: folded, without a slash at its end. -#}
{% macro page_of_rules(path) -%}
    coalesce(nullIf(replaceRegexpOne({{ folded(path) }}, '/+$', ''), ''), '/')
{%- endmacro %}
