{#-
  The table enriched.events as the last run left it, none when this run builds it whole. Not a ref: enriched.events is
  built after what asks.
-#}
{% macro events_so_far() %}
    {% if not execute or flags.FULL_REFRESH %}{{ return(none) }}{% endif %}
    {{ return(adapter.get_relation(database='', schema='enriched', identifier='events')) }}
{% endmacro %}
