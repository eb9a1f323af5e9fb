{#- The visitor that a person_id, and so a lead_id, is of. A tracking_id is a UUID and has no point. -#}
{% macro visitor_of_person(person_id) -%}
    splitByChar('.', {{ person_id }})[1]
{%- endmacro %}
