{#-
  Whether a value of a kind (email, phone, external_id) may connect visitors. Those of seeds/worthless_identifiers.csv do
  not: people type them to get past a form, or a page sends them for a variable that is empty. Beside the list there are
  patterns for what has many spellings; also for `null`, which a seed cannot hold: dbt reads it as none.
-#}
{% macro connects(kind, value) -%}
    {%- set folded = "lowerUTF8(trimBoth(" ~ value ~ "))" -%}
    ({{ kind }}, {{ folded }}) not in (select kind, value from {{ ref('worthless_identifiers') }})
    and not match(
        {{ folded }},
        multiIf(
            {{ kind }} = 'phone', '{{ worthless_phones() }}',
            {{ kind }} = 'email', '{{ worthless_emails() }}',
            {{ kind }} = 'external_id', '{{ worthless_ids() }}',
            '^$'
        )
    )
{%- endmacro %}

{#-
  Pattern of phones that are typed to get past a form: those that end in eight equal or rising digits, and those that are one
  digit after a country code. RE2 has no reference to what was found before.
-#}
{% macro worthless_phones() -%}
    {%- for digit in range(10) -%}
        {{ digit }}{8}$|^[+]?[0-9]{1,3}{{ digit }}{6,}$|
    {%- endfor -%}
    (01234567|12345678|23456789|34567890)$
{%- endmacro %}

{#-
  Pattern of e-mails that are typed to get past a form: a word for none, or random keys, at a mail provider or at a word of that
  kind (`nao.tem@gmail.com`, `teste@teste.net`); one character on both sides (`aaa@aa.com`); sample values (`seu.email@…`).
-#}
{% macro worthless_emails() -%}
    {%- set word -%}
        (n[aã]o[._-]?(tem|tenho|possui|possuo|informad[oa]|quero|sei)?[._-]?(e-?mail)?|sem[._-]?(e-?mail)?|semail|nenhum|ningu[eé]m|nada|none|null|undefined|nan?|no[._-]?(e-?mail|mail|tengo|tiene)|teste?[._-]?(teste?)?[0-9]{0,3}|testando|testing|asdf?(asdf?|gh?)?|qwe(rty)?|abcd?e?|123(4(5(6)?)?)?)
    {%- endset -%}
    ^{{ word }}@({{ word }}|tem|possui|e-?mail|mail|gmail|hotmail|outlook|yahoo|live|icloud|bol|uol|terra|ig|example|exemplo)[.][a-z.]+$
    {%- for key in 'abcdefghijklmnopqrstuvwxyz0123456789' -%}
        |^{{ key }}+@{{ key }}+[.][a-z.]+$
    {%- endfor -%}
    |^(seu|sua|meu|your|my)[._-]?(e-?mail|nome|name)@|^(e-?mail|nome|name|your?|user|usu[aá]rio|exemplo|fulano)@(e-?mail|example|exemplo|dominio|domain)[.]
{%- endmacro %}

{#-
  Pattern of external ids that are no id: without a letter or digit, of zeros alone, of one digit as long as a CPF; empty
  variables in quotation marks or several in a row (`undefined-undefined`); templates that nothing was put into (`${id}`,
  `:user_id`, `[object Object]`); a spreadsheet's errors (`#N/A`, but an order may be `#1001`); words for somebody who is not
  known; the sample of a CPF.
-#}
{% macro worthless_ids() -%}
    {%- set quote = '[\\"\\\'`]*' -%}
    {%- set empty = quote ~ '(null|undefined|nan|none|nil|nulo|vazio)' ~ quote -%}
    ^{{ empty }}([ _|:;,./-]+{{ empty }})*$|^[^\\p{L}\\p{N}]*$|^[0.,/ -]*$|^[{$<%\\[]|^#[{]|^__.*__$|^[:@][a-z_.]+$|^function *[(]|^promise$
    {%- for digit in range(1, 10) -%}
        |^({{ digit }}[./-]*){11,}$
    {%- endfor -%}
    |^#(n/?[ad]|ref|value|valor|null|nulo|name|nome|div/0|num|núm)[!?]?$|^([a-z]+[._])?(user|usu[aá]rio|cliente?|customer|lead|visitor|contact)[._-]?id$|^id_d[oa]_(usu[aá]rio|cliente)$|^s/n$|^(guest|anonymous|unknown|test|teste|no)[ _-](user|usu[aá]rio|id|login|client|cliente)$|^(not[ _-]logged[ _-]?in|logged[ _-]?out|deslogad[oa])$|^(n[aã]o|sem)[ _-](logad[oa]|informad[oa]|identificad[oa]|cadastrad[oa]|se aplica|id|cadastro|login|usu[aá]rio)$|^123[.]?456[.]?789-?(09|00|10)$
{%- endmacro %}
