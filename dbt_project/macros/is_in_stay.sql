{#- Whether an event of a visitor is of the person whose stay a row `members` of lead_members is. -#}
{% macro is_in_stay(occurred_at, event_id) -%}
    (
        ({{ occurred_at }}, {{ event_id }}) >= (members.since, members.since_event_id)
        and (
            members.next_at is null
            or ({{ occurred_at }}, {{ event_id }}) < (assumeNotNull(members.next_at), members.next_event_id)
        )
    )
{%- endmacro %}
