with

layers as (
    select
        tenant_id,
        'raw' as layer,
        max(received_at) as newest_received_at,
        count() as row_count
    from {{ ref('stg_collector__events') }}
    group by tenant_id

    union all

    select
        tenant_id,
        'enriched' as layer,
        max(received_at) as newest_received_at,
        count() as row_count
    from {{ ref('events') }}
    group by tenant_id

    union all

    select
        tenant_id,
        'leads' as layer,
        max(updated_at) as newest_received_at,
        count() as row_count
    from {{ ref('leads') }}
    group by tenant_id

    union all

    select
        tenant_id,
        'deliveries' as layer,
        max(updated_at) as newest_received_at,
        count() as row_count
    from {{ ref('deliveries') }}
    group by tenant_id
)

select
    *,
    dateDiff('second', newest_received_at, now64(3)) as age_seconds
from layers
