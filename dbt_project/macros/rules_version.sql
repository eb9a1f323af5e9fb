{#-
  Names everything but the event itself that enrichment depends on: its SQL (`enrichment_version`), the seed tables,
  the tenant's own hosts and time zone. Events of another version are enriched again by the next run.
-#}
{% macro rules_version(own_hosts, time_zone) -%}
    {%- set seeds = ['referrer_hosts', 'source_aliases', 'click_ids', 'excluded_referrers', 'user_agent_rules', 'time_zones'] -%}
    assumeNotNull(lower(hex(cityHash64(
        '{{ var("enrichment_version") }}',
        (
            select groupBitXor(seed_row) from (
                {%- for seed in seeds %}
                select bitXor(cityHash64(*), cityHash64('{{ seed }}')) as seed_row from {{ ref(seed) }}
                {{ 'union all' if not loop.last }}
                {%- endfor %}
            )
        ),
        arraySort({{ own_hosts }}),
        {{ time_zone }}
    ))))
{%- endmacro %}
