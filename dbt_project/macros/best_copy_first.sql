{#-
  Of several copies of an event the one received first counts; the other columns only make the choice the same whatever
  order the copies are read in.
-#}
{% macro best_copy_first() -%}
    received_at, copy_hash, loaded_at
{%- endmacro %}
