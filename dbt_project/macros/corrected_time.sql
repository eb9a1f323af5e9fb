{#-
  How far the visitor's clock is from the collector's, in milliseconds, decided from the request alone: `received_at -
  sent_at`. Up to a minute of that is the way the request took, and the visitor's time stands. Beyond it the clock is
  wrong, by whole minutes: so the requests of a visitor agree, however long each was on its way, and what happened first
  stays first. Without `sent_at` the clock is believed.
-#}
{% macro clock_error_ms(sent_at, received_at) -%}
    {%- set difference -%}
        toUnixTimestamp64Milli({{ received_at }}) - toUnixTimestamp64Milli(coalesce({{ sent_at }}, {{ received_at }}))
    {%- endset -%}
    if(abs({{ difference }}) <= 60000, 0, toInt64(floor(({{ difference }}) / 60000)) * 60000)
{%- endmacro %}

{#-
  The moment `client_at` on the collector's clock. Clamped to the last `late_event_days` before the request was sent, so
  that a wrong clock writes neither the future nor old history.
-#}
{% macro corrected_time(client_at, sent_at, received_at) -%}
    {%- set sent -%}
        (coalesce({{ sent_at }}, {{ received_at }}) + toIntervalMillisecond({{ clock_error_ms(sent_at, received_at) }}))
    {%- endset -%}
    {{ sent }} - toIntervalMillisecond(
        greatest(0, least(
            {{ (var('late_event_days') | int) * 86400000 }},
            toUnixTimestamp64Milli(coalesce({{ sent_at }}, {{ received_at }})) - toUnixTimestamp64Milli({{ client_at }})
        ))
    )
{%- endmacro %}
