{#-
  Text as rules compare it, without case and accents: decomposed (NFD), without marks, in lower case, without blanks at
  both ends. `echolead/rules/folding.py` does the same.
-#}
{% macro folded(text) -%}
    replaceRegexpAll(
        lowerUTF8(replaceRegexpAll(normalizeUTF8NFD({{ text }}), '\\p{Mn}', '')),
        '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$',
        ''
    )
{%- endmacro %}
