{#-
  Time within business hours. Moments are UTC; hours are of the tenant's clock, so both are counted in seconds of the local
  clock since 1970. An interval that is open while clocks are put forward or back counts as its face says.

  `weekly` is Array(Array(Tuple(from, to))), Monday to Sunday, `special_days` Array(Tuple(day, Array(Tuple(from, to)))).
-#}

{#- Monday to Friday, 9 to 18: of a tenant that has said nothing. -#}
{% macro default_hours() -%}
    cast(
        [[(32400, 64800)], [(32400, 64800)], [(32400, 64800)], [(32400, 64800)], [(32400, 64800)], [], []],
        'Array(Array(Tuple(UInt32, UInt32)))'
    )
{%- endmacro %}

{#- Seconds of the local clock since 1970. ClickHouse takes only constant zones: a branch for each that a tenant has. -#}
{% macro local_seconds(moment, time_zone) -%}
    (toInt64(toUnixTimestamp(toDateTime({{ moment }}, 'UTC'))) + {{ utc_offset(moment, time_zone) }})
{%- endmacro %}

{#- What the local clock is ahead of UTC, seconds. -#}
{% macro utc_offset(moment, time_zone) -%}
    multiIf(
        {%- for zone in [var('default_time_zone')] + tenant_time_zones() %}
        {{ time_zone }} = '{{ zone }}', toInt64(timezoneOffset(toDateTime({{ moment }}, '{{ zone }}'))),
        {%- endfor %}
        toInt64(0)
    )
{%- endmacro %}

{#- The open intervals of a day. -#}
{% macro hours_of_day(day, weekly, special_days) -%}
    if(
        arrayExists(special -> special.1 = {{ day }}, {{ special_days }}),
        arrayFirst(special -> special.1 = {{ day }}, {{ special_days }}).2,
        arrayElement({{ weekly }}, 1 + modulo({{ day }} + 3, 7))
    )
{%- endmacro %}

{#- Open seconds of some intervals before a second of the day. -#}
{% macro open_before(intervals, second) -%}
    arraySum(arrayMap(
        open -> greatest(toInt64(least(toInt64(open.2), toInt64({{ second }}))) - toInt64(open.1), 0), {{ intervals }}
    ))
{%- endmacro %}

{#-
  Open seconds from 1970 to a second of the local clock: whole weeks, whole days of this week, and what has passed of the day.
  Special days before it are set right one by one. The difference of two is the time between them.
-#}
{% macro open_seconds_until(second, weekly, special_days) -%}
    {%- set day = "toInt32(intDiv(" ~ second ~ ", 86400))" -%}
    {%- set week = "intDiv(" ~ day ~ " + 3, 7)" -%}
    (
        {{ week }} * arraySum(arrayMap(hours -> {{ open_before('hours', 86400) }}, {{ weekly }}))
        + arraySum(arrayMap(
            hours -> {{ open_before('hours', 86400) }}, arraySlice({{ weekly }}, 1, modulo({{ day }} + 3, 7))
        ))
        + {{ open_before(hours_of_day(day, weekly, special_days), "modulo(" ~ second ~ ", 86400)") }}
        + arraySum(arrayMap(
            special -> {{ open_before('special.2', 86400) }}
            - {{ open_before("arrayElement(" ~ weekly ~ ", 1 + modulo(special.1 + 3, 7))", 86400) }},
            arrayFilter(special -> special.1 < {{ day }}, {{ special_days }})
        ))
    )
{%- endmacro %}

{#-
  Seconds until `wanted` open seconds can have passed, from the second `present` of the local clock on, or until the next look
  at the clock: while it is closed that is the next opening, at the latest midnight. It may be too early, never too late.
-#}
{% macro seconds_to_look(present, wanted, weekly, special_days) -%}
    {%- set hours = hours_of_day("toInt32(intDiv(" ~ present ~ ", 86400))", weekly, special_days) -%}
    {%- set second = "modulo(" ~ present ~ ", 86400)" -%}
    if(
        arrayExists(open -> {{ second }} >= open.1 and {{ second }} < open.2, {{ hours }}),
        toInt64({{ wanted }}),
        toInt64(arrayMin(arrayConcat(
            [86400], arrayFilter(opening -> opening > {{ second }}, arrayMap(open -> toInt64(open.1), {{ hours }}))
        ))) - {{ second }}
    )
{%- endmacro %}

{#- Open seconds between two seconds of the local clock. -#}
{% macro business_seconds(since, until, weekly, special_days) -%}
    toUInt32(
        {{ open_seconds_until(until, weekly, special_days) }}
        - {{ open_seconds_until(since, weekly, special_days) }}
    )
{%- endmacro %}
