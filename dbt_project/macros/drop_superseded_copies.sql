{#-
  Post-hook of enriched.events. When a copy of an event that was received earlier is loaded later and lies in another
  day, its day has been written, but the day of the copy it replaces may have no other event and so was not. Such rows
  are looked for among the recently loaded and deleted; until then readers see both copies, never none.
-#}
{% macro drop_superseded_copies() %}
    {%- set recent -%}
        select tenant_id, event_id
        from {{ this }}
        where (tenant_id, event_id) in (
            select tenant_id, event_id from {{ this }}
            where loaded_at > (select max(loaded_at) from {{ this }}) - toIntervalMinute({{ var('load_overlap_minutes') }})
        )
        group by tenant_id, event_id
        having count() > 1
    {%- endset -%}
    {%- if execute and run_query(recent).rows | length > 0 -%}
        alter table {{ this }} delete where (tenant_id, event_id, received_at, copy_hash, loaded_at) in (
            select tenant_id, event_id, received_at, copy_hash, loaded_at
            from {{ this }}
            where (tenant_id, event_id) in ({{ recent }})
            order by received_at, copy_hash, loaded_at
            limit 1, 1000 by tenant_id, event_id
        )
    {%- endif -%}
{% endmacro %}
