{#-
  Before a run of the target `dev`: its own database of raw tables, each a view of production's. The variables only_tenant
  and only_days make them views of a part, so that everything behind is built in seconds, and try_channel_rules gives that
  tenant other channels. A table of one's own that stands there is left as it is.
-#}
{% macro dev_raw() %}
    {% if not execute or target.name != 'dev' %}{{ return('') }}{% endif %}
    {% set database = generate_schema_name('raw', none) %}
    {% do run_query('create database if not exists ' ~ database) %}
    {% for source in graph.sources.values() %}
        {% set own = adapter.get_relation(database='', schema=database, identifier=source.name) %}
        {% if own is none or own.type == 'view' %}
            {% do run_query('create or replace view ' ~ database ~ '.' ~ source.name ~ ' as ' ~ part_of_raw(source.name)) %}
        {% endif %}
    {% endfor %}
{% endmacro %}

{% macro part_of_raw(table) %}
    {% set production = api.Relation.create(schema='raw', identifier=table) %}
    {% set columns = adapter.get_columns_in_relation(production) | map(attribute='name') | list %}
    {% set conditions = [] %}
    {% if var('only_tenant') and 'tenant_id' in columns %}
        {% if not modules.re.fullmatch('[a-z0-9-]+', var('only_tenant')) %}
            {{ exceptions.raise_compiler_error('only_tenant is no tenant id: ' ~ var('only_tenant')) }}
        {% endif %}
        {% do conditions.append("tenant_id = '" ~ var('only_tenant') ~ "'") %}
    {% endif %}
    {% if var('only_days') and 'received_at' in columns %}
        {% set since = run_started_at - modules.datetime.timedelta(days=var('only_days') | int) %}
        {% do conditions.append("received_at >= toDateTime64('" ~ since.strftime('%Y-%m-%d %H:%M:%S') ~ "', 3, 'UTC')") %}
    {% endif %}
    {% set columns = '*' %}
    {% if table == 'tenants' and var('try_channel_rules') %}
        {% set columns = '* replace (' ~ text_literal(tojson(var('try_channel_rules'))) ~ ' as channel_rules)' %}
    {% endif %}
    {{ return('select ' ~ columns ~ ' from ' ~ production ~ (' where ' ~ conditions | join(' and ') if conditions else '')) }}
{% endmacro %}
