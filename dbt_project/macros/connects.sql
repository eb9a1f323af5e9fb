{#-
  Whether a value of a kind (email, phone, external_id) may connect visitors. Those of seeds/worthless_identifiers.csv do
  not: people type them to get past a form, or a page sends them for a variable that is empty. Of phones neither do those
  that end in eight equal or rising digits, nor those that are one digit after a country code; of external ids those without
  a letter or digit, of zeros alone, templates that nothing was put into (`${id}`, `[object Object]`), and `null`, which a seed
  cannot hold: dbt reads it as none.
-#}
{% macro connects(kind, value) -%}
    {%- set folded = "lowerUTF8(trimBoth(" ~ value ~ "))" -%}
    ({{ kind }}, {{ folded }}) not in (select kind, value from {{ ref('worthless_identifiers') }})
    and not match(
        {{ folded }},
        multiIf(
            {{ kind }} = 'phone', '{{ worthless_phones() }}',
            {{ kind }} = 'external_id', '^null$|^[^\\p{L}\\p{N}]*$|^[0-]*$|^[{$<%\\[]',
            '^$'
        )
    )
{%- endmacro %}

{#- Pattern of phones that are typed to get past a form; RE2 has no reference to what was found before. -#}
{% macro worthless_phones() -%}
    {%- for digit in range(10) -%}
        {{ digit }}{8}$|^[+]?[0-9]{1,3}{{ digit }}{6,}$|
    {%- endfor -%}
    (01234567|12345678|23456789|34567890)$
{%- endmacro %}
