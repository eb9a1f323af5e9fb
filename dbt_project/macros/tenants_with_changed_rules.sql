{#- Tenants of whom `events` has rows enriched under other rules than those of now. -#}
{% macro tenants_with_changed_rules(events) %}
    {% set changed = run_query(
        "select tenant_id from (select distinct tenant_id, rules_version from " ~ events ~ ") as known"
        ~ " left join " ~ ref('tenant_rules') ~ " as rules using (tenant_id)"
        ~ " where rules_version != " ~ rules_version('own_hosts', known_time_zone('time_zone'))
        ~ " group by tenant_id order by tenant_id"
    ) %}
    {{ return(changed.rows | map(attribute=0) | list) }}
{% endmacro %}
