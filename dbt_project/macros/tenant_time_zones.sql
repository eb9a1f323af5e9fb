{#- Time zones that mirrored tenants have, besides the default, restricted to those the warehouse knows. -#}
{% macro tenant_time_zones() %}
    {% if not execute %}{{ return([]) }}{% endif %}
    {% set zones = run_query(
        "select distinct timezone from " ~ source('operational', 'tenants')
        ~ " where timezone in (select time_zone from system.time_zones)"
        ~ " and timezone != '" ~ var('default_time_zone') ~ "' order by timezone"
    ) %}
    {{ return(zones.rows | map(attribute=0) | list) }}
{% endmacro %}
