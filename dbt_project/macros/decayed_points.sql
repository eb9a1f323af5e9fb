{#-
  Points of an age of whole calendar days, rounded to whole points; a half-life of 0 days: they do not decay.
-#}
{% macro decayed_points(points, half_life, age) -%}
    toInt32(sign({{ points }}) * floor(
        abs({{ points }}) * if({{ half_life }} > 0, exp2(-({{ age }}) / {{ half_life }}), 1) + 0.5
    ))
{%- endmacro %}

{#-
  The age at which the rounded points are others than at this age. Rounding of the logarithm can make it a day too early,
  which costs a look; 100,000 days for points that stay.
-#}
{% macro next_age_of_points(points, half_life, age) -%}
    if(
        {{ half_life }} > 0 and {{ decayed_points(points, half_life, age) }} != 0,
        greatest(
            {{ age }} + 1,
            toInt64(floor(
                {{ half_life }}
                * log2(abs({{ points }}) / (abs({{ decayed_points(points, half_life, age) }}) - 0.5))
            ))
        ),
        100000
    )
{%- endmacro %}
