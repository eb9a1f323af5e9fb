{#- Cost of one of what is counted. NULL without any, and as long as a part of the cost has no rate. -#}
{% macro cost_per(counted) -%}
    if({{ counted }} > 0 and empty(days.unconverted_cost), round(toFloat64(days.cost) / {{ counted }}, 2), null)
{%- endmacro %}

{#- Revenue for each unit of cost. NULL without a cost, and as long as a part of either has no rate. -#}
{% macro return_on_cost() -%}
    if(
        days.cost > 0 and empty(days.unconverted_cost) and empty(days.unconverted_revenue),
        round(toFloat64(coalesce(days.revenue, 0)) / toFloat64(days.cost), 4),
        null
    )
{%- endmacro %}
