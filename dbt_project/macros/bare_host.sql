{#-
  Host of a URL in lower case without `www.` and the dot of the root, '' when it has none. Works for `android-app://`
  referrers and hosts of one label as well, which `domain` does not know.
-#}
{% macro bare_host(url) -%}
    replaceRegexpAll(extract(lower({{ url }}), '^[a-z][a-z0-9+.-]*://(?:[^/?#\\\\]*@)?([^/?#\\\\:]*)'), '^www\\.|\\.$', '')
{%- endmacro %}
