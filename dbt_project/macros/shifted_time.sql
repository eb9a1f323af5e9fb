{#-
  A time on the sender's clock, moved as its event's was, from 1970 to the event's own: what an event remembers was before
  it. NULL when there is none.
-#}
{% macro shifted_time(said_at, shift_ms, occurred_at) -%}
    if(
        {{ said_at }} is null,
        null,
        greatest(
            toDateTime64('1970-01-01', 3, 'UTC'),
            least(assumeNotNull({{ said_at }}) + toIntervalMillisecond({{ shift_ms }}), {{ occurred_at }})
        )
    )
{%- endmacro %}
