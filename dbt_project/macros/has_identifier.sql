{#- Whether a row of enriched.events holds an e-mail address, a phone number or an id of the tenant's own. -#}
{% macro has_identifier() -%}
    (email != '' or phone != '' or external_id != '')
{%- endmacro %}
