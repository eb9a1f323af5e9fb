{#-
  The pages that models of marts have in the console, by their names: (table, definition). A model says in its yml
  `config: {meta: {console: {title: {en: …, pt-BR: …}}}}`, and may say caption (in both languages), date (the column that
  the page's period is about), and hidden (columns that are left out). A column has its own title in its meta. Raises a
  compiler error for a page that could not be shown.
-#}
{% macro console_pages() %}
    {% set pages = [] %}
    {% if execute %}
        {% for node in graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | sort(attribute='name') %}
            {% set console = node.config.meta.get('console') %}
            {% if console %}
                {% do check_console_page(node, console) %}
                {% set columns = [] %}
                {% for column in node.columns.values() if column.name not in ['tenant_id'] + console.get('hidden', []) %}
                    {% do columns.append({'name': column.name, 'title': column.config.meta.get('title', {})}) %}
                {% endfor %}
                {% do pages.append({
                    'table': node.schema ~ '.' ~ node.name,
                    'definition': tojson({
                        'title': console.title,
                        'caption': console.get('caption', {}),
                        'date': console.get('date', ''),
                        'columns': columns,
                    }),
                }) %}
            {% endif %}
        {% endfor %}
    {% endif %}
    {{ return(pages) }}
{% endmacro %}

{% macro check_console_page(node, console) %}
    {% set problems = [] %}
    {% if 'tenant_id' not in node.columns %}{% do problems.append('a column tenant_id, by which tenants are kept apart') %}{% endif %}
    {% if 'en' not in console.get('title', {}) or 'pt-BR' not in console.get('title', {}) %}
        {% do problems.append('a title in en and pt-BR') %}
    {% endif %}
    {% if console.get('date') and console.date not in node.columns %}
        {% do problems.append('the column ' ~ console.date ~ ', which is its date') %}
    {% endif %}
    {% if not (node.config.schema or '') in ['enriched', 'marts', 'activation', 'ops'] %}
        {% do problems.append('a place in a database that the console may read') %}
    {% endif %}
    {% if problems %}
        {{ exceptions.raise_compiler_error('The page of ' ~ node.name ~ ' in the console lacks ' ~ problems | join('; ')) }}
    {% endif %}
{% endmacro %}
