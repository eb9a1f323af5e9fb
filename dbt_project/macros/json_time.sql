{#- A UTC moment as RFC 3339 text with milliseconds, '' for one that is missing. -#}
{% macro json_time(moment) -%}
    if(toUnixTimestamp64Milli({{ moment }}) = 0, '', concat(formatDateTime({{ moment }}, '%Y-%m-%dT%H:%i:%S', 'UTC'), '.', leftPad(toString(toUnixTimestamp64Milli({{ moment }}) % 1000), 3, '0'), 'Z'))
{%- endmacro %}
