{#- Before all changes of conversations or deals: (turn, tenant, lead) of the last one that turns over leads have taken. -#}
{% macro no_news() -%}
    cast((0, '', ''), 'Tuple(UInt64, String, String)')
{%- endmacro %}
