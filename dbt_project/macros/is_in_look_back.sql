{#- Whether a touch can get credit for what happened then: no later, and at most `look_back_days` before. -#}
{% macro is_in_look_back(touch_at, then) -%}
    ({{ touch_at }} <= {{ then }} and {{ touch_at }} >= {{ then }} - toIntervalDay({{ var('look_back_days') }}))
{%- endmacro %}
