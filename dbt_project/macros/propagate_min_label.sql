{#-
  Connected components of a bipartite graph: `edges` has tenant_id, tracking_id, kind, value and label (the visitor's
  own); the result has the smallest label of the component, as far as `rounds` visitor-to-visitor steps reach.

  Each step takes the smallest label round an identifier, then round a visitor. Every step reads the one before it once
  (window functions, no self-join), because ClickHouse repeats a CTE's work wherever it is named.
-#}
{% macro propagate_min_label(edges, rounds) -%}
    {%- set columns = 'tenant_id, tracking_id, kind, value' -%}
    {%- set steps = namespace(sql=edges) -%}
    {%- for _ in range(rounds | int) -%}
        {%- set steps.sql = '(select ' ~ columns
            ~ ', min(label) over (partition by tenant_id, kind, value) as label from ' ~ steps.sql ~ ')' -%}
        {%- set steps.sql = '(select ' ~ columns
            ~ ', min(label) over (partition by tenant_id, tracking_id) as label from ' ~ steps.sql ~ ')' -%}
    {%- endfor -%}
    {{ steps.sql }}
{%- endmacro %}
