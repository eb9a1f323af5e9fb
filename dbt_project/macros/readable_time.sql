{#- A UTC moment on the clock of a tenant, to the minute, for people to read: in Portuguese, or as ISO 8601 orders it. -#}
{% macro readable_time(moment, time_zone, is_portuguese) -%}
    multiIf(
        {%- for zone in [var('default_time_zone')] + tenant_time_zones() %}
        {{ time_zone }} = '{{ zone }}' and {{ is_portuguese }}, formatDateTime({{ moment }}, '%d/%m/%Y %H:%i', '{{ zone }}'),
        {{ time_zone }} = '{{ zone }}', formatDateTime({{ moment }}, '%Y-%m-%d %H:%i', '{{ zone }}'),
        {%- endfor %}
        formatDateTime({{ moment }}, '%Y-%m-%d %H:%i', 'UTC')
    )
{%- endmacro %}
