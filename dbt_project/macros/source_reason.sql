{#-
  Why a lead has the source of one of its touches, for a person: which touch, which rule, and the parameters the rule
  read: `last_non_direct session / utm / Paid Search: utm_source=google utm_medium=cpc gclid=Abc_123`.
-#}
{% macro source_reason(touch) -%}
    if({{ touch }}source_rule = '', '', concat(
        '{{ touch[:-1] }} ', {{ touch }}touch_origin, ' / ', {{ touch }}source_rule, ' / ', {{ touch }}channel,
        if({{ touch }}source_rule in ('direct'), '', concat(': ', arrayStringConcat(arrayFilter(part -> part != '', [
            {%- for name in ['utm_source', 'utm_medium', 'utm_campaign'] %}
            if({{ touch }}{{ name }} = '', '', concat('{{ name }}=', {{ touch }}{{ name }})),
            {%- endfor %}
            arrayStringConcat(arrayMap((name, value) -> concat(name, '=', value), mapKeys({{ touch }}click_ids), mapValues({{ touch }}click_ids)), ' '),
            if({{ touch }}source_rule in ('referrer', 'excluded_referrer'), concat('referrer=', {{ touch }}referrer), '')
        ]), ' ')))
    ))
{%- endmacro %}
