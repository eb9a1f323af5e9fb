{#-
  The live path runs models whose tables `prepare` has built from the same files, contracts checked, and says so by
  `structure_is_prepared`: their structure is then taken from the table, because planning a query takes the warehouse
  longer than running it on a few events, and dbt plans it once for the contract and once more for new columns.
-#}
{% macro has_prepared_structure() -%}
    {{ return(var('structure_is_prepared') and not should_full_refresh() and load_cached_relation(this) is not none) }}
{%- endmacro %}

{#- In place of the adapter's macro of this name. -#}
{% macro create_table_or_empty(temporary, relation, sql, has_contract) -%}
    {%- if not temporary and has_prepared_structure() -%}
        create table {{ relation }} {{ on_cluster_clause(relation) }} as {{ this }}
    {%- else -%}
        {{ dbt.create_table_or_empty(temporary, relation, sql, has_contract) }}
    {%- endif -%}
{%- endmacro %}

{#- In place of dbt's macro of this name, which the incremental materialization asks what to do about new columns. -#}
{% macro incremental_validate_on_schema_change(on_schema_change, default='ignore') -%}
    {%- if has_prepared_structure() -%}
        {{ return('ignore') }}
    {%- endif -%}
    {{ return(dbt.incremental_validate_on_schema_change(on_schema_change, default)) }}
{%- endmacro %}
