{#- The UTC moment at which `date` begins in the time zone named by the column `time_zone`; see `tenant_date`. -#}
{% macro tenant_midnight(date, time_zone) -%}
    fromUnixTimestamp64Milli(1000 * toInt64(multiIf(
        {%- for zone in [var('default_time_zone')] + tenant_time_zones() %}
        {{ time_zone }} = '{{ zone }}', toUnixTimestamp(toDateTime({{ date }}, '{{ zone }}')),
        {%- endfor %}
        toUnixTimestamp(toDateTime({{ date }}, 'UTC'))
    )), 'UTC')
{%- endmacro %}
