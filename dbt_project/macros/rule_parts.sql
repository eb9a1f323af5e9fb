{#-
  Of a rule as it is compiled (`echolead/rules/`), JSON text: its alternatives of literals. What a literal leaves out is
  empty.
-#}
{% macro clauses_of_rule(rule) -%}
    {%- set literal = [
        'fact String', 'operator String', 'negated Bool', 'texts Array(String)', 'numbers Array(Float64)', 'days UInt32',
        'count UInt32', 'missing_matches Bool'
    ] | join(', ') -%}
    JSONExtract({{ rule }}, 'clauses', 'Array(Array(Tuple({{ literal }})))')
{%- endmacro %}

{#- What follows from it. An action has the parts of its kind, the others are empty. -#}
{% macro actions_of_rule(rule) -%}
    {%- set action = [
        'kind String', 'points Int32', 'half_life_days UInt32', 'at_most UInt32', 'each String', 'since String',
        'name String', 'value String', 'inbox String', 'team String', 'agents Array(Tuple(agent String, weight UInt32))',
        'fallback_team String', 'keep_owner Bool', 'destinations Array(String)', 'each_time Bool'
    ] | join(', ') -%}
    JSONExtract({{ rule }}, 'actions', 'Array(Tuple({{ action }}))')
{%- endmacro %}
