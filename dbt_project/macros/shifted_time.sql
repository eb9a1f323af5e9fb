{#- A moment of the visitor's clock, moved as its event was, not after `received_at`; NULL stays NULL. -#}
{% macro shifted_time(client_at, shift_ms, received_at) -%}
    least({{ client_at }} + toIntervalMillisecond({{ shift_ms }}), {{ received_at }})
{%- endmacro %}
