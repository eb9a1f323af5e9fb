{#- The ad platforms' cookies of the event contract, in its order. -#}
{% macro ad_cookie_names() %}
    {{ return(['_fbc', '_fbp', '_ga', 'hubspotutk', 'rdtrk']) }}
{% endmacro %}
