{#- The campaign parameters of the event contract, in its order. -#}
{% macro utm_names() %}
    {{ return([
        'utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content', 'utm_id', 'utm_source_platform',
        'utm_creative_format', 'utm_marketing_tactic',
    ]) }}
{% endmacro %}
