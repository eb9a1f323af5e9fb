{#-
  Whether a session of a visitor is of the person whose stay a row `members` of lead_members is: of everybody who states
  something in it, and when nobody does, of who stated something last before it, or else first after it.
-#}
{% macro has_session(started_at, ended_at) -%}
    (
        members.since <= {{ ended_at }}
        and (
            members.last_stated_at >= {{ started_at }}
            or members.next_at is null
            or assumeNotNull(members.next_at) > {{ ended_at }}
        )
    )
{%- endmacro %}
