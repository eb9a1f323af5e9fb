{#-
  The conversations of which, or of whose contacts, a turn of conversations has something new. Reads those of contacts by the
  index over `contact_id`.
-#}
{% macro conversations_of_news() -%}
    select
        tenant_id,
        account_id,
        toInt64OrZero(id) as conversation_id
    from {{ ref('conversation_news') }}
    where kind = 'conversation'
    union distinct
    select
        tenant_id,
        account_id,
        conversation_id
    from {{ ref('conversation_facts') }}
    where
        contact_id in (select toInt64OrZero(id) from {{ ref('conversation_news') }} where kind = 'contact')
        and (tenant_id, account_id, contact_id) in (
            select
                tenant_id,
                account_id,
                toInt64OrZero(id)
            from {{ ref('conversation_news') }}
            where kind = 'contact'
        )
{%- endmacro %}
