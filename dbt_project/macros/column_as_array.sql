{#-
  One column of a small table as a constant array, in the order of `order_by`. Constants keep the look-ups of
  enrichment a hash table per query, with no join, and let unit tests replace the table.
-#}
{% macro column_as_array(relation, column, order_by, where='1') -%}
    (select groupArray(listed) from (select {{ column }} as listed from {{ relation }} where {{ where }} order by {{ order_by }}))
{%- endmacro %}
