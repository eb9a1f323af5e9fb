{#- A UTC moment as RFC 3339 text in UTC, to the millisecond: programs read it. -#}
{% macro utc_time(moment) -%}
    concat(replaceOne(toString({{ moment }}), ' ', 'T'), '+00:00')
{%- endmacro %}
