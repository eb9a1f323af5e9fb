{#-
  Date of the moment `at` in the time zone named by the column `time_zone`. ClickHouse takes only constant zones, so
  there is one branch for each zone that a tenant has; rows take their own branch only.
-#}
{% macro tenant_date(at, time_zone) -%}
    multiIf(
        {%- for zone in [var('default_time_zone')] + tenant_time_zones() %}
        {{ time_zone }} = '{{ zone }}', toDate({{ at }}, '{{ zone }}'),
        {%- endfor %}
        toDate({{ at }}, 'UTC')
    )
{%- endmacro %}
