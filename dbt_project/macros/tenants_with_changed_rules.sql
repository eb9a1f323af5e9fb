{#- Tenants with events in `this` that were enriched under other rules than those of now. -#}
{% macro tenants_with_changed_rules() %}
    {% set changed = run_query(
        "select distinct known.tenant_id from (select distinct tenant_id, rules_version from " ~ this ~ ") as known"
        ~ " left join " ~ ref('tenant_rules') ~ " as rules on known.tenant_id = rules.tenant_id"
        ~ " where known.rules_version != "
        ~ rules_version('rules.own_hosts', known_time_zone('rules.time_zone'))
        ~ " order by tenant_id"
    ) %}
    {{ return(changed.rows | map(attribute=0) | list) }}
{% endmacro %}
