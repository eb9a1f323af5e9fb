{#- Whether a row of enriched.events makes its visitor a lead: the person said who they are, or began a chat. -#}
{% macro identifies_lead() -%}
    ({{ has_identifier() }} or event_name = 'chat_start')
{%- endmacro %}
