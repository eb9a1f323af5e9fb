{#- A time on the sender's clock, on the collector's as its event is, from 1970 to `received_at`; NULL when there is none. -#}
{% macro shifted_time(said_at, shift_ms, received_at) -%}
    if(
        {{ said_at }} is null,
        null,
        greatest(
            toDateTime64('1970-01-01', 3, 'UTC'),
            least(assumeNotNull({{ said_at }}) + toIntervalMillisecond({{ shift_ms }}), {{ received_at }})
        )
    )
{%- endmacro %}
