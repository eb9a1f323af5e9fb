{#-
  A hash of the campaign parameters and click ids of an arrival, 0 without any: another one opens a session. As in the
  script, a link of an own page is no arrival whatever utm_* it has, but a click id is one also then: a page without the
  script has passed it on.
-#}
{% macro arrival_key() -%}
    {%- set hash = "cityHash64(name, value)" -%}
    arraySum((name, value) -> if(value = '' or startsWith(name, 'utm_'), 0, {{ hash }}), mapKeys(touch_params), mapValues(touch_params))
    + if(
        (touch_referrer_host != '' and is_from_inside)
        or (touch_landing_url = page_url and has(arrayPushBack(own_hosts, {{ bare_host('page_url') }}), referrer_host)),
        0,
        arraySum((name, value) -> if(value != '' and startsWith(name, 'utm_'), {{ hash }}, 0), mapKeys(touch_params), mapValues(touch_params))
    )
{%- endmacro %}
