{#-
  An amount of money from what a sender wrote: a JSON number, or a text as people in Brazil or elsewhere write one
  (`1.234,56`, `1,234.56`, `R$ 99,90`). The last of two separators is the decimal one; a single one before exactly three
  digits separates thousands, as no currency that is sold in here has three decimals. Negative amounts are refunds.
-#}

{#- JSON of the first of some keys that is said: '' when none is, or all are null. -#}
{% macro first_said(json, keys) -%}
    coalesce(
        {%- for key in keys %}
        nullIf(nullIf(JSONExtractRaw({{ json }}, '{{ key }}'), 'null'), ''),
        {%- endfor %}
        ''
    )
{%- endmacro %}

{#- The number in JSON as plain text with a decimal point, '' when it is none. -#}
{% macro plain_number(json) -%}
    {%- set text = "replaceRegexpOne(replaceRegexpAll(JSONExtractString(" ~ json ~ "), '[\\\\s\\\\x{00A0}\\\\x{202F}]', ''),"
        ~ " '^([-+]?)(?:R\\\\$|US\\\\$|\\\\$|€|£|[A-Z]{3})', '\\\\1')" -%}
    multiIf(
        {{ json }} = '', '',
        not startsWith({{ json }}, '"'), if(match({{ json }}, '^-?[0-9]'), {{ json }}, ''),
        match({{ text }}, '^[-+]?[1-9][0-9]{0,2}([.][0-9]{3})+(,[0-9]*)?$'), replaceAll(replaceAll({{ text }}, '.', ''), ',', '.'),
        match({{ text }}, '^[-+]?[1-9][0-9]{0,2}(,[0-9]{3})+([.][0-9]*)?$'), replaceAll({{ text }}, ',', ''),
        match({{ text }}, '^[-+]?[0-9]+,[0-9]*$'), replaceAll({{ text }}, ',', '.'),
        match({{ text }}, '^[-+]?[0-9]+([.][0-9]*)?([eE][-+]?[0-9]{1,3})?$'), {{ text }},
        ''
    )
{%- endmacro %}

{#- A plain number as money with two decimals; NULL when it is none or a thousand billion or more. -#}
{% macro bounded_amount(number) -%}
    if(
        abs(round(toDecimal128OrNull({{ number }}, 6), 2)) < 1000000000000,
        toDecimal64(round(toDecimal128OrNull({{ number }}, 6), 2), 2),
        null
    )
{%- endmacro %}

{#- Why an amount that was said is not there, '' when it is or none was said. -#}
{% macro amount_reason(said, number, amount) -%}
    multiIf({{ said }} = '' or {{ amount }} is not null, '', {{ number }} = '', 'not_a_number', 'out_of_range')
{%- endmacro %}
