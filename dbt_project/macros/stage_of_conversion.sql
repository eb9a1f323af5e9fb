{#-
  The stage that a `conversion` event brings a lead to, '' for none. Qualified by its name; won when it is paid for or pays
  an order. A refund is no sale, and becoming a lead is no conversion of a lead.
-#}
{% macro stage_of_conversion() -%}
    multiIf(
        lower(name) in ('qualified', 'lead_qualified', 'qualified_lead'), 'qualified',
        lower(name) not in ('lead', 'generate_lead') and (revenue > 0 or (revenue = 0 and order_id != '')), 'won',
        ''
    )
{%- endmacro %}
