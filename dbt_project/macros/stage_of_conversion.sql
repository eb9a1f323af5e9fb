{#-
  The stage that a `conversion` event brings a lead to, '' for none. Qualified by its name; won when it is paid for or pays
  an order. Refunds and the conversions `lead` and `generate_lead` bring it to no stage.
-#}
{% macro stage_of_conversion() -%}
    multiIf(
        lower(name) in ('qualified', 'lead_qualified', 'qualified_lead'), 'qualified',
        lower(name) not in ('lead', 'generate_lead') and (revenue > 0 or (revenue = 0 and order_id != '')), 'won',
        ''
    )
{%- endmacro %}
