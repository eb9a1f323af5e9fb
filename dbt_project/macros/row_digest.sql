{#- What a row of a table of turns says, beside its version: equal for rows that say the same. -#}
{% macro row_digest() -%}
    lower(hex(sipHash128(toString(tuple(* except (turn, is_deleted))))))
{%- endmacro %}

{#- Where a lead came from, in one text. -#}
{% macro source_of_lead() -%}
    concat(source, ' / ', medium, ' / ', campaign, ' (', channel, ')')
{%- endmacro %}
