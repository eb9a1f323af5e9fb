{#-
  Whether a conversation is a touch by itself: a customer began it in a messenger. One of the widget belongs to a visit, and
  a conversation that an agent or a campaign began does not count as an arrival.
-#}
{% macro is_touch_of_chat() -%}
    (opened_by = 'contact' and inbox_kind not in ('', 'Channel::WebWidget', 'Channel::Api', 'Channel::Email'))
{%- endmacro %}
