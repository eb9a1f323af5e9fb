{#-
  How little a row of enriched.events that says something of a person is believed, 0 for most: a server with its key, a form,
  and what the page's own script says.
-#}
{% macro distrust() -%}
    multiIf(sent_by = 'server', 0, event_name = 'form_submit', 1, 2)
{%- endmacro %}
