{#-
  A time in a record of Chatwoot, which writes seconds since 1970, with or without a fraction, or ISO 8601; NULL for one that
  is not there or outside of the years every date type holds.
-#}
{% macro chat_time(record, key) -%}
    coalesce(
        if(
            JSONExtractFloat({{ record }}, '{{ key }}') between 1 and 4291747199,
            fromUnixTimestamp64Micro(toInt64(round(JSONExtractFloat({{ record }}, '{{ key }}') * 1000000)), 'UTC'),
            null
        ),
        {{ bounded_time("JSONExtractString(" ~ record ~ ", '" ~ key ~ "')") }}
    )
{%- endmacro %}
