{#- The time zone that dates are computed in: the tenant's where the warehouse knows it, otherwise the default. -#}
{% macro known_time_zone(time_zone) -%}
    {%- set zones = [var('default_time_zone')] + tenant_time_zones() -%}
    if({{ time_zone }} in ('{{ zones | join("', '") }}'), {{ time_zone }}, '{{ var("default_time_zone") }}')
{%- endmacro %}
