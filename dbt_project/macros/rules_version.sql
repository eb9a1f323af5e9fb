{#-
  Names everything but the event itself that enrichment depends on: its SQL (`enrichment_version`), the seed tables,
  the tenant's own hosts and time zone. Events of another version are enriched again by the next run.
-#}
{% macro rules_version(own_hosts, time_zone) -%}
    {%- set seeds = ['referrer_hosts', 'source_aliases', 'click_ids', 'excluded_referrers', 'user_agent_rules', 'time_zones'] -%}
    lower(hex(cityHash64(
        '{{ var("enrichment_version") }}',
        {%- for seed in seeds %}
        (select groupBitXor(cityHash64(*)) from {{ ref(seed) }}),
        {%- endfor %}
        arraySort({{ own_hosts }}),
        {{ time_zone }}
    )))
{%- endmacro %}
