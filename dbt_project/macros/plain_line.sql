{#-
  What a visitor or an ad wrote, as a part of one line of text: nothing of it is markup or an address to click on, and it is
  no longer than a hundred characters.
-#}
{% macro plain_line(text) -%}
    trim(both ' ' from substringUTF8(
        replaceRegexpAll(replaceRegexpAll({{ text }}, '\\p{C}|[\\[\\](){}<>`*~|#!\\\\]|://', ' '), ' +', ' '), 1, 100
    ))
{%- endmacro %}
