{#-
  Whether a statement of a visitor is not by the person who spoke before: it differs in two of e-mail, phone, external id
  and first name, and neither e-mail nor external id are the same. At a device that has had several people one other
  identifier is enough, unless phone or name are the same. What is not said does not differ; an e-mail that many people
  give is never the same.

  `said` is (…, e-mail, whether it can be anybody's own, phones, external ids, first name) from its fifth element on,
  `person` (how many before, …, e-mail, phones, external ids, first name). After `people_per_visitor` nobody new is told
  apart.
-#}
{% macro is_another_person(said, person) -%}
    {%- set other_email = "({0}.5 != '' and {1}.3 != '' and not ({0}.6 and {0}.5 = {1}.3))".format(said, person) -%}
    {%- set other_phone = "(notEmpty({0}.7) and notEmpty({1}.4) and not hasAny({0}.7, {1}.4))".format(said, person) -%}
    {%- set other_id = "(notEmpty({0}.8) and notEmpty({1}.5) and not hasAny({0}.8, {1}.5))".format(said, person) -%}
    {%- set other_name = "({0}.9 != '' and {1}.6 != '' and {0}.9 != {1}.6)".format(said, person) -%}
    {{ person }}.1 < {{ var('people_per_visitor') | int - 1 }}
    and not (({{ said }}.6 and {{ said }}.5 = {{ person }}.3) or hasAny({{ said }}.8, {{ person }}.5))
    and (
        {{ other_email }} + {{ other_phone }} + {{ other_id }} + {{ other_name }} >= 2
        or (
            {{ person }}.1 > 0
            and ({{ other_email }} or {{ other_phone }} or {{ other_id }})
            and not hasAny({{ said }}.7, {{ person }}.4)
            and ({{ said }}.9 = '' or {{ said }}.9 != {{ person }}.6)
        )
    )
{%- endmacro %}
