{#- What the event itself says of a purpose: granted, denied, or '' when it says nothing. -#}
{% macro consent_state(purpose) -%}
    multiIf(
        not mapContains(purposes, '{{ purpose }}'), '',
        purposes['{{ purpose }}'], 'granted',
        'denied'
    )
{%- endmacro %}
