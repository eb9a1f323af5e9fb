{#- A time the script wrote, on the collector's clock as its event is, not after `received_at`; NULL when unreadable. -#}
{% macro shifted_time(client_text, shift_ms, received_at) -%}
    {%- set moment = "parseDateTime64BestEffortOrNull(" ~ client_text ~ ", 3, 'UTC')" -%}
    if(
        isNull({{ moment }}),
        null,
        least(assumeNotNull({{ moment }}) + toIntervalMillisecond({{ shift_ms }}), {{ received_at }})
    )
{%- endmacro %}
