{#- A time on the sender's clock, on the collector's as its event is, not after `received_at`; NULL when there is none. -#}
{% macro shifted_time(said_at, shift_ms, received_at) -%}
    if(
        {{ said_at }} is null,
        null,
        least(assumeNotNull({{ said_at }}) + toIntervalMillisecond({{ shift_ms }}), {{ received_at }})
    )
{%- endmacro %}
