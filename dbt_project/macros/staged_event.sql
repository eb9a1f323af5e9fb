{#-
  The columns of stg_collector__events for a unit test: an event of a page view that says nothing else. `columns` names
  those that are of interest, with their SQL; `sent.1` is the event's id.
-#}
{% macro staged_event(columns) -%}
    {%- set plain = [
        ('tenant_id', "'t1'"),
        ('event_id', "sent.1"),
        ('event_name', "'page_view'"),
        ('tracking_id', "'v1'"),
        ('client_session_id', "'s1'"),
        ('client_occurred_at', "toDateTime64('2025-03-01 12:00:00', 3, 'UTC')"),
        ('client_sent_at', "toDateTime64('2025-03-01 12:00:00', 3, 'UTC')"),
        ('received_at', "toDateTime64('2025-03-01 12:00:00', 3, 'UTC')"),
        ('loaded_at', "toDateTime64('2025-03-01 12:00:01', 3, 'UTC')"),
        ('sent_by', "'script'"),
        ('host', "''"),
        ('ip', "''"),
        ('user_agent', "''"),
        ('email', "''"),
        ('phone', "''"),
        ('phone_variants', "cast([], 'Array(String)')"),
        ('page_url', "'https://lp.test/'"),
        ('page_title', "''"),
        ('page_referrer', "''"),
        ('language', "''"),
        ('browser_time_zone', "''"),
        ('screen', "''"),
        ('viewport', "''"),
        ('script_version', "''"),
        ('name', "''"),
        ('external_id', "''"),
        ('company', "''"),
        ('conversion_name', "''"),
        ('touch_landing_url', "'https://lp.test/'"),
        ('touch_referrer', "''"),
        ('touch_params', "cast(map(), 'Map(String, String)')"),
        ('last_touch_said_at', "cast(null, 'Nullable(DateTime64(3, \\'UTC\\'))')"),
        ('first_touch', "''"),
        ('first_touch_said_at', "cast(null, 'Nullable(DateTime64(3, \\'UTC\\'))')"),
        ('last_non_direct_touch', "''"),
        ('last_non_direct_touch_said_at', "cast(null, 'Nullable(DateTime64(3, \\'UTC\\'))')"),
        ('ad_cookies', "cast(map(), 'Map(String, String)')"),
        ('purposes', "cast(map(), 'Map(String, Bool)')"),
        ('properties', "''"),
        ('revenue', "cast(null, 'Nullable(Decimal(18, 2))')"),
        ('currency', "''"),
        ('order_id', "''"),
        ('set_aside', "cast([], 'Array(Tuple(String, String, String))')"),
        ('schema_version', "toInt32(1)"),
        ('trace_id', "''"),
        ('copy_hash', "cityHash64(sent)"),
    ] -%}
    {%- for name, value in plain %}
    {{ columns.get(name, value) }} as {{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
