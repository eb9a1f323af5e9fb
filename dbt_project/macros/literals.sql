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
  The number that a folded text is in the tenant's way of writing: with a comma before the decimals where `has_comma`.
  Groups of three digits may be parted by the other sign: "1.200" is 1200 in Brazil. A currency in front and blanks do not
  count. NULL for what is none.
-#}
{% macro written_number(text, has_comma) -%}
    {%- set bare = "replaceRegexpOne(replaceRegexpAll(" ~ text ~ ", '[\\\\s\\\\p{Z}]', ''),"
        ~ " '^(-?)(?:r\\\\$|us\\\\$|\\\\$|€|£|brl|usd|eur)', '\\\\1')" -%}
    toFloat64OrNull(multiIf(
        {{ has_comma }} and match({{ bare }}, '^-?[1-9]\\d{0,2}(\\.\\d{3})+(,\\d+)?$'),
        replaceOne(replaceAll({{ bare }}, '.', ''), ',', '.'),
        {{ has_comma }} and match({{ bare }}, '^-?\\d+,\\d+$'), replaceOne({{ bare }}, ',', '.'),
        not {{ has_comma }} and match({{ bare }}, '^-?[1-9]\\d{0,2}(,\\d{3})+(\\.\\d+)?$'), replaceAll({{ bare }}, ',', ''),
        match({{ bare }}, '^-?\\d+(\\.\\d+)?$'), {{ bare }},
        ''
    ))
{%- endmacro %}
