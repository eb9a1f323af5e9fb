{#-
  Names everything but the event and the SQL that enrichment depends on: the seed tables, the tenant's own hosts, time
  zone, channels and excluded referrers. A tenant whose rows have another version is enriched again by the next turn; other SQL builds everything anew.
-#}
{% macro rules_version() -%}
    {%- set seeds = ['referrer_hosts', 'source_aliases', 'click_ids', 'excluded_referrers', 'user_agent_rules', 'time_zones'] -%}
    assumeNotNull(lower(hex(cityHash64(
        (
            select groupBitXor(seed_row) from (
                {%- for seed in seeds %}
                select bitXor(cityHash64(*), cityHash64('{{ seed }}')) as seed_row from {{ ref(seed) }}
                {{ 'union all' if not loop.last }}
                {%- endfor %}
            )
        ),
        arraySort(own_hosts),
        {{ known_time_zone('time_zone') }},
        toString(channel_rules),
        arraySort(excluded_referrers)
    ))))
{%- endmacro %}
