{#- What became of a lead, as campaigns count it. -#}
{% macro outcome_digest() -%}
    cityHash64(if(furthest_stage in ('qualified', 'won'), furthest_stage, ''), ifNull(toString(revenue), ''), toString(unconverted_revenue))
{%- endmacro %}
