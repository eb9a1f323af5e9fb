{#-
  What the first rule of a kind (bot, device, browser, os) that is found in the user agent says, '' when none is. Of events
  read together each different user agent is looked at once (LowCardinality): it takes up to 0.1 ms.
-#}
{% macro user_agent_value(kind, user_agent) -%}
    {%- set rules = ref('user_agent_rules') -%}
    {%- set of_kind = "kind = '" ~ kind ~ "'" -%}
    {#- A `*` takes away the space that would end or begin the word. -#}
    {%- set needle = "replaceRegexpAll(concat(' ', trimBoth(" ~ spaced_words('needle') ~ "), ' '), ' [*]|[*] ', '')" -%}
    cast({{ column_as_array(rules, 'value', 'priority', of_kind) }}[
        multiSearchFirstIndex(
            concat(' ^  ', {{ spaced_words('toLowCardinality(' ~ user_agent ~ ')') }}, ' '),
            {{ column_as_array(rules, needle, 'priority', of_kind) }}
        )
    ], 'String')
{%- endmacro %}

{#-
  A text in lower case with spaces around each word, so that ` ruby ` is not found in `ForwardRuby`. Words are letters and
  digits; of other characters `/` and `+` are kept, as they tell a version and an address from a name.
-#}
{% macro spaced_words(text) -%}
    replaceRegexpAll(lower({{ text }}), '([/+])|[^a-z0-9*^/+]+', ' \\1 ')
{%- endmacro %}
