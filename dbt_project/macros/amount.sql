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
    multiIf(
        {{ json }} = '', '',
        not startsWith({{ json }}, '"'), if(match({{ json }}, '^-?[0-9]'), {{ json }}, ''),
        arrayMap(
            text -> multiIf(
                match(text, '^[-+]?[1-9][0-9]{0,2}([.][0-9]{3})+(,[0-9]*)?$'), replaceAll(replaceAll(text, '.', ''), ',', '.'),
                match(text, '^[-+]?[1-9][0-9]{0,2}(,[0-9]{2,3})*,[0-9]{3}([.][0-9]*)?$'), replaceAll(text, ',', ''),
                match(text, '^[-+]?[0-9]+,[0-9]*$'), replaceAll(text, ',', '.'),
                match(text, '^[-+]?[0-9]+([.][0-9]*)?([eE][-+]?[0-9]{1,3})?$'), text,
                ''
            ),
            [{{ amount_without_currency(json) }}]
        )[1]
    )
{%- endmacro %}

{#-
  What a text says of an amount without its currency, with its sign in front and without blanks between thousands. Money
  is negative in brackets, or with a minus behind it, as in accounts; `10,-` is ten. A text of another form stays
  as it is; it is not a number.
-#}
{% macro amount_without_currency(json) -%}
    {%- set text = "normalizeUTF8NFKC(toValidUTF8(JSONExtractString(" ~ json ~ ")))" -%}
    {%- set steps = namespace(sql=text) -%}
    {%- for pattern, replacement in [
        ('[\\\\s\\\\x{2000}-\\\\x{200F}\\\\x{202F}]+', ' '),
        ('[\\\\x{2010}-\\\\x{2015}\\\\x{2212}]', '-'),
        ('^ | $', ''),
        ('^[(](.*)[)]$', '-\\\\1'),
        (',-+( ?€)?$', ','),
        ('^([-+]?) ?(?:' ~ currency_before() ~ ' ?([-+]?) ?)?([0-9.,][0-9., \\\'’]*?)(?: ?' ~ currency_behind() ~ ')? ?(-?)$', '\\\\1\\\\2\\\\4\\\\3'),
        ('^([-+]?)([.,][0-9])', '\\\\10\\\\2'),
    ] -%}
        {%- set steps.sql = "replaceRegexpAll(" ~ steps.sql ~ ", '" ~ pattern ~ "', '" ~ replacement ~ "')" -%}
    {%- endfor -%}
    arrayMap(
        amount -> if(match(amount, '^[-+]?[0-9]{1,3}([ \'’][0-9]{3})+([.,][0-9]*)?$'), replaceRegexpAll(amount, '[ \'’]', ''), amount),
        [{{ steps.sql }}]
    )[1]
{%- endmacro %}

{#- Patterns of a currency before an amount and behind it, where three letters can be a word (`10 mil` are ten thousand). -#}
{% macro currency_before() -%}
    (?:(?i:r|us?|ar|mx)? ?[$]S?|[€£₹₲]|[A-Z]{3}[$]?|[Ss]/[.]?|[Gg][Ss][.]?)
{%- endmacro %}

{% macro currency_behind() -%}
    (?i:(?:r|us?)?[$]|[€£₹₲]|reais|real|euros?|{{ currency_codes() | join('|') }})
{%- endmacro %}

{#- Codes of currencies (ISO 4217) that are read behind an amount, and of an amount that has no currency of its own. -#}
{% macro currency_codes() %}
    {{ return([
        'BRL', 'USD', 'EUR', 'GBP', 'ARS', 'BOB', 'CLP', 'COP', 'MXN', 'PEN', 'PYG', 'UYU', 'CAD', 'AUD', 'CHF', 'JPY', 'CNY',
        'INR', 'AOA', 'MZN',
    ]) }}
{% endmacro %}

{#-
  Code of the currency in a text: one that was said as `currency`, or that an amount has in it; '' for none and for `$`, which is that of
  many countries. Three letters are a code if the text is nothing else.
-#}
{% macro currency_in(text) -%}
    arrayMap(text -> multiIf(
        text = '', '',
        match(text, '(?i)^\\s*[a-z]{3}\\s*$'), upper(trimBoth(text)),
        match(text, '(?i)\\br ?[$]|\\breais\\b|\\breal\\b'), 'BRL',
        match(text, '(?i)\\bus? ?[$]'), 'USD',
        match(text, '(?i)€|\\beuros?\\b'), 'EUR',
        match(text, '£'), 'GBP',
        match(text, '(?i)\\bar ?[$]'), 'ARS',
        match(text, '(?i)\\bmx ?[$]'), 'MXN',
        match(text, '(?i)\\bs/'), 'PEN',
        match(text, '(?i)₲|\\bgs\\b'), 'PYG',
        match(text, '₹'), 'INR',
        upper(extract(text, '(?i)(?:^|[^a-z])({{ currency_codes() | join("|") }})(?:[^a-z]|$)'))
    ), [normalizeUTF8NFKC(toValidUTF8({{ text }}))])[1]
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
