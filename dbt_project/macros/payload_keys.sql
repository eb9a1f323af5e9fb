{#-
  What the payload of each kind of destination holds: a kind's payload, and so its hash, changes with these keys alone.
  Who lives off clicks and is sent nothing without consent to ads: `is_ad_platform`.
-#}
{% macro payload_keys() %}
    {%- set person = ['email', 'external_id', 'lead_id', 'name', 'phone'] %}
    {%- set contact = person + ['attributes', 'labels', 'tracking_ids'] %}
    {%- set times = ['first_touch_at', 'last_touch_at', 'time_zone'] %}
    {%- set feedback = person + ['clicks', 'consent', 'cookies', 'events', 'time_zone', 'tracking_ids'] %}
    {%- set whole = contact + times + ['clicks', 'consent', 'cookies', 'events'] %}
    {{ return({
        'chatwoot': contact,
        'hubspot': whole,
        'pipedrive': whole,
        'salesforce': whole,
        'rdstation': whole,
        'rdstation_crm': whole,
        'webhook': whole,
        'meta': feedback,
        'google_ads': feedback,
        'ga4': feedback,
        'openai_ads': feedback,
    }) }}
{% endmacro %}

{% macro is_ad_platform(kind) -%}
    ({{ kind }} in ('meta', 'google_ads', 'ga4', 'openai_ads'))
{%- endmacro %}

{#- A CRM that keeps a note with the link of the lead's conversation. -#}
{% macro notes_conversation(kind) -%}
    ({{ kind }} in ('hubspot', 'pipedrive'))
{%- endmacro %}

{#- The keys of a kind of destination; one that is not listed gets what a contact is. -#}
{% macro keys_of_kind(kind) -%}
    multiIf(
        {%- for each, keys in payload_keys().items() %}
        {{ kind }} = '{{ each }}', ['{{ keys | join("', '") }}'],
        {%- endfor %}
        ['{{ payload_keys()['chatwoot'] | join("', '") }}']
    )
{%- endmacro %}
