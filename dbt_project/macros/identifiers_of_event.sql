{#-
  What a row of enriched.events connects its visitor by, as (kind, value, confidence). Every form of a phone connects:
  Brazilian mobiles are known with and without the ninth digit.
-#}
{% macro identifiers_of_event() -%}
    arrayFilter(identifier -> identifier.2 != '', arrayConcat(
        [('tracking_id', tracking_id, 1.)],
        [('email', email, 1.), ('external_id', external_id, 1.), ('phone', phone, 1.)],
        arrayMap(variant -> ('phone', variant, 0.9), arrayFilter(variant -> variant != phone, phone_variants))
    ))
{%- endmacro %}
