{#- Whether a number passes an operator of rules with its `numbers`; missing numbers pass none. -#}
{% macro compares(operator, number, numbers) -%}
    coalesce(multiIf(
        {{ operator }} in ('eq', 'in'), has({{ numbers }}, assumeNotNull({{ number }})) and {{ number }} is not null,
        {{ operator }} = 'gt', {{ number }} > {{ numbers }}[1],
        {{ operator }} = 'gte', {{ number }} >= {{ numbers }}[1],
        {{ operator }} = 'lt', {{ number }} < {{ numbers }}[1],
        {{ operator }} = 'lte', {{ number }} <= {{ numbers }}[1],
        {{ operator }} = 'between', {{ number }} between {{ numbers }}[1] and {{ numbers }}[2],
        {{ operator }} = 'is_set', {{ number }} is not null,
        false
    ), false)
{%- endmacro %}

{#-
  The number that a text is in the tenant's way of writing: with a comma before the decimals where `has_comma`. Groups of
  three digits may be parted by the other sign: "1.200" is 1200 in Brazil. NULL for what is none.
-#}
{% macro written_number(text, has_comma) -%}
    toFloat64OrNull(multiIf(
        {{ has_comma }} and match({{ text }}, '^-?\\d{1,3}(\\.\\d{3})+(,\\d+)?$'),
        replaceOne(replaceAll({{ text }}, '.', ''), ',', '.'),
        {{ has_comma }} and match({{ text }}, '^-?\\d+,\\d+$'), replaceOne({{ text }}, ',', '.'),
        not {{ has_comma }} and match({{ text }}, '^-?\\d{1,3}(,\\d{3})+(\\.\\d+)?$'), replaceAll({{ text }}, ',', ''),
        match({{ text }}, '^-?\\d+(\\.\\d+)?$'), {{ text }},
        ''
    ))
{%- endmacro %}
