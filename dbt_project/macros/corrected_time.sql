{#-
  The moment `client_at` on the collector's clock: the visitor's clock is off by (received_at - sent_at), network time
  included; without `sent_at` the clock is believed. Clamped to the last `late_event_days` before `received_at`, so
  that a wrong clock writes neither the future nor old history.
-#}
{% macro corrected_time(client_at, sent_at, received_at) -%}
    {{ received_at }} - toIntervalMillisecond(
        greatest(0, least(
            {{ (var('late_event_days') | int) * 86400000 }},
            toUnixTimestamp64Milli(coalesce({{ sent_at }}, {{ received_at }})) - toUnixTimestamp64Milli({{ client_at }})
        ))
    )
{%- endmacro %}
