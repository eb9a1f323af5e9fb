{#- A channel is one of the default ones (macros/channel.sql), or one that the tenant names itself. -#}
{% test known_channel(model, column_name) %}
    {%- set defaults = [
        'Direct', 'Cross-network', 'Paid Shopping', 'Paid Search', 'Paid Social', 'Paid Video', 'Display', 'Paid Other',
        'Organic Shopping', 'AI Assistants', 'Email', 'Organic Social', 'Organic Video', 'Organic Search', 'Affiliates',
        'Referral', 'Audio', 'SMS', 'Mobile Push Notifications', 'Unassigned'
    ] %}
    select
        tenant_id,
        {{ column_name }},
        count() as row_count
    from {{ model }}
    where
        {{ column_name }} not in ('{{ defaults | join("', '") }}')
        and (tenant_id, {{ column_name }}) not in (
            select
                tenant_id,
                tupleElement(arrayJoin(channel_rules), 2)
            from {{ ref('tenant_rules') }}
        )
    group by tenant_id, {{ column_name }}
{% endtest %}
