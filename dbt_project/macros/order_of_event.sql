{#-
  The order that a row of enriched.events pays, '' for none: a refund takes nothing of an order's once, and a value that a
  page sends for an empty variable names no order.
-#}
{% macro order_of_event() -%}
    if(order_id = '' or coalesce(revenue, 0) < 0 or not ({{ connects("'external_id'", 'order_id') }}), '', order_id)
{%- endmacro %}
