{#-
  Text as rules compare it, without case and accents: decomposed (NFD), without marks, in lower case, without blanks at
  both ends. `echolead/rules/folding.py` does the same. A sigma is lowered before the rest: at the end of a word the engine
  would make another letter of it.
-#}
{% macro folded(text) -%}
    replaceRegexpAll(
        lowerUTF8(replaceAll(replaceRegexpAll(normalizeUTF8NFD({{ text }}), '\\p{Mn}', ''), 'Σ', 'σ')),
        '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$',
        ''
    )
{%- endmacro %}
