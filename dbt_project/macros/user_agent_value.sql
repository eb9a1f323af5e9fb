{#- What the first rule of a kind (bot, device, browser, os) that is found in the user agent says, '' when none is. -#}
{% macro user_agent_value(kind, user_agent) -%}
    {%- set rules = ref('user_agent_rules') -%}
    {%- set of_kind = "kind = '" ~ kind ~ "'" -%}
    {{ column_as_array(rules, 'value', 'priority', of_kind) }}[
        multiSearchFirstIndexCaseInsensitive({{ user_agent }}, {{ column_as_array(rules, 'needle', 'priority', of_kind) }})
    ]
{%- endmacro %}
