{#- A time as text on the sender's clock; NULL when it cannot be read or is outside of the years every date type holds. -#}
{% macro bounded_time(said) -%}
    {%- set moment = "parseDateTime64BestEffortOrNull(" ~ said ~ ", 3, 'UTC')" -%}
    if({{ moment }} between toDateTime64('1970-01-01', 3, 'UTC') and toDateTime64('2105-12-31', 3, 'UTC'), {{ moment }}, null)
{%- endmacro %}

{#- Why a time that was said is not there, '' when it is or none was said. -#}
{% macro time_reason(said, moment) -%}
    multiIf(
        {{ said }} = '' or {{ moment }} is not null, '',
        parseDateTime64BestEffortOrNull({{ said }}, 3, 'UTC') is null, 'not_a_time',
        'out_of_range'
    )
{%- endmacro %}
