{#- The UTC moment that a clock shows as the text `local` in the time zone named by the column `time_zone`; see `tenant_date`. -#}
{% macro tenant_moment(local, time_zone) -%}
    fromUnixTimestamp64Milli(1000 * toInt64(multiIf(
        {%- for zone in [var('default_time_zone')] + tenant_time_zones() %}
        {{ time_zone }} = '{{ zone }}', toUnixTimestamp(toDateTime({{ local }}, '{{ zone }}')),
        {%- endfor %}
        toUnixTimestamp(toDateTime({{ local }}, 'UTC'))
    )), 'UTC')
{%- endmacro %}

{#- What a clock shows there at the moment `at`, as in 09:30:00. -#}
{% macro tenant_clock(at, time_zone) -%}
    multiIf(
        {%- for zone in [var('default_time_zone')] + tenant_time_zones() %}
        {{ time_zone }} = '{{ zone }}', formatDateTime({{ at }}, '%H:%i:%S', '{{ zone }}'),
        {%- endfor %}
        formatDateTime({{ at }}, '%H:%i:%S', 'UTC')
    )
{%- endmacro %}
