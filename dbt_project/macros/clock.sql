{#- Now, UTC, as turns see it. The variable `now` sets it, so that tests and analysts can look at another day. -#}
{% macro clock() -%}
    {%- if var('now') -%}
    toDateTime64('{{ var("now") }}', 3, 'UTC')
    {%- else -%}
    now64(3, 'UTC')
    {%- endif -%}
{%- endmacro %}

{#- When the turn that is under way looks at the clock. -#}
{% macro moment_of_turn() -%}
    assumeNotNull((select max(evaluated_at) from {{ ref('current_turn') }}))
{%- endmacro %}

{#- A moment that does not come: what waits for it waits for no clock. -#}
{% macro never() -%}
    toDateTime64('2105-12-31 00:00:00', 3, 'UTC')
{%- endmacro %}
