{#- Text that must be there; '' stands for missing text in the warehouse. -#}
{% test not_empty_string(model, column_name) %}
    select {{ column_name }}
    from {{ model }}
    where {{ column_name }} = ''
{% endtest %}
