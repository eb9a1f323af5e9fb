{#-
  Whether a row of enriched.events says something of a person beside visiting: who they are, that they chat or convert,
  or what a server reports of them.
-#}
{% macro concerns_lead() -%}
    ({{ identifies_lead() }} or name != '' or company != '' or event_name = 'conversion' or sent_by = 'server')
{%- endmacro %}
