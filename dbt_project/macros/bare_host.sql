{#- Host of a URL in lower case without `www.`, '' when it has none. Works for `android-app://` referrers as well. -#}
{% macro bare_host(url) -%}
    replaceRegexpOne(lower(domain({{ url }})), '^www\\.', '')
{%- endmacro %}
