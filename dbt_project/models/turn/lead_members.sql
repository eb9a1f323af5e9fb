{#-
  Which lead each visitor belongs to: the connected components of visitors and identifiers. The lead is named by its
  first identified visitor. Each round takes the smallest label around an identifier, then around a visitor, until a
  round moves none of the tenant's.
-#}
{{ config(tags=['turn'], materialized='table', engine='MergeTree()', order_by=['tenant_id', 'tracking_id']) }}

with recursive

rounds as (
    select
        tenant_id,
        tracking_id,
        kind,
        value,
        (min(first_statement.1) over (partition by tenant_id, tracking_id), tracking_id) as label,
        toUInt32(0) as round,
        true as has_moved
    from {{ ref('stated_identifiers') }}

    union all

    select
        tenant_id,
        tracking_id,
        kind,
        value,
        next_label as label,
        round + 1 as round,
        moves as has_moved
    from (
        select
            *,
            min(label_of_value) over (partition by tenant_id, tracking_id) as next_label,
            next_label != label as moves
        from (
            select
                *,
                min(label) over (partition by tenant_id, kind, value) as label_of_value,
                max(has_moved) over (partition by tenant_id) as is_moving
            from rounds
        )
        where is_moving
    )
)

select
    tenant_id,
    tracking_id,
    tupleElement(argMax(label, round), 2) as lead_id
from rounds
group by tenant_id, tracking_id
