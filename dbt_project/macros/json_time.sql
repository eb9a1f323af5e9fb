{#-
  A UTC moment as RFC 3339 text on the clock of a tenant, to the second and with its offset: people read it. '' for one that
  is missing.
-#}
{% macro json_time(moment, time_zone) -%}
    if(toUnixTimestamp64Milli({{ moment }}) = 0, '', replaceRegexpOne(
        multiIf(
            {%- for zone in [var('default_time_zone')] + tenant_time_zones() %}
            {{ time_zone }} = '{{ zone }}', formatDateTime({{ moment }}, '%Y-%m-%dT%H:%i:%S%z', '{{ zone }}'),
            {%- endfor %}
            formatDateTime({{ moment }}, '%Y-%m-%dT%H:%i:%S%z', 'UTC')
        ),
        '(..)$',
        ':\\1'
    ))
{%- endmacro %}
