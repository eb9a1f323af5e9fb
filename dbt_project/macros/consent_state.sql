{#- What the event itself says of a purpose: granted, denied, or '' when it says nothing. -#}
{% macro consent_state(purpose) -%}
    multiIf(
        not mapContains(consent_purposes, '{{ purpose }}'), '',
        consent_purposes['{{ purpose }}'], 'granted',
        'denied'
    )
{%- endmacro %}
