{#-
  What a visitor or an ad wrote, as a part of one line of text: nothing of it is markup or an address to click on, and it is
  no longer than a hundred characters.

  Chatwoot makes links of bare hosts and addresses as well (`linkify` of markdown-it), so an invisible word joiner
  follows each dot before a letter.
-#}
{% macro plain_line(text) -%}
    {%- set word_joiner = '\u2060' -%}
    replaceRegexpAll(trim(both ' ' from substringUTF8(
        replaceRegexpAll(
            replaceRegexpAll({{ text }}, '\\p{C}|[\\[\\](){}<>`*~|#!\\\\]|:?//+|(?i:mailto:)', ' '), ' +', ' '
        ),
        1, 100
    )), '[.](\\pL)', '.{{ word_joiner }}\\1')
{%- endmacro %}
