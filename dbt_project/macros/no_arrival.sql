{#- The (when, which) of an arrival that there was not: earlier than every other one. -#}
{% macro no_arrival() -%}
    (toDateTime64(0, 3, 'UTC'), toUInt64(0))
{%- endmacro %}
