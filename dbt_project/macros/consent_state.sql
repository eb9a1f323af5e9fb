{#- What the event itself says of a purpose: granted, denied, or '' when it says nothing. -#}
{% macro consent_state(purpose) -%}
    multiIf(
        not mapContains(event.consent.purposes, '{{ purpose }}'), '',
        event.consent.purposes['{{ purpose }}'], 'granted',
        'denied'
    )
{%- endmacro %}
