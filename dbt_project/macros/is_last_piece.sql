{#- Whether the piece of a request that the turn takes is the last: there were fewer rows, or leads, than a piece holds. -#}
{% macro is_last_piece() -%}
    (
        (select sum(events) from {{ ref('requested_visitors') }}) < {{ var('events_of_a_piece') }}
        and (select count() from {{ ref('requested_leads') }}) < {{ var('leads_of_a_piece') }}
    )
{%- endmacro %}
