{#- What the parsed payload `event` says at a path of the event contract, as text; '' when it says nothing. -#}
{% macro said_at(path) -%}
    {%- if path.startswith('properties.') -%}
    JSONExtractString(event.properties, '{{ path.split('.')[1] }}')
    {%- else -%}
    event.{{ path }}
    {%- endif -%}
{%- endmacro %}
