{#-
  The visitors whose leads the turn computes: those of affected visitors, of everybody they share an identifier with now,
  and of all others in the leads of these. A lead shares no identifier with another one, so that more need not be looked
  at. Reads identifying events of affected visitors, and identities and leads by their keys.
-#}
-- depends_on: {{ ref('affected_visitors') }}
-- depends_on: {{ ref('changed_tenants') }}
-- depends_on: {{ ref('worthless_identifiers') }}
{{ affected_set(['tenant_id', 'tracking_id']) }}

{%- set identities = built_so_far('marts', 'identities') %}
{%- set leads = built_so_far('marts', 'leads') %}
{%- set affected_now = "(select tenant_id, tracking_id from " ~ affected('affected_visitors') ~ ")" %}
{%- set is_affected = "(tenant_id, tracking_id) in " ~ affected_now if identities and leads else "true" %}

with

identified as (
    select * from {{ ref('lead_events') }}
    where
        {{ identifies_lead() }}
        and {{ is_affected }}
)

{%- if identities and leads %},

named as (
    select distinct
        tenant_id,
        arrayJoin({{ identifiers_of_event() }}) as identifier
    from identified
    where {{ connects('identifier.1', 'identifier.2') }}
),

concerned_leads as (
    select
        tenant_id,
        lead_id
    from {{ identities }}
    where (tenant_id, kind, value) in (
        select
            tenant_id,
            identifier.1,
            identifier.2
        from named
        union all
        select
            tenant_id,
            'tracking_id' as kind,
            tracking_id
        from {{ affected('affected_visitors') }}
    )
    union all
    select
        tenant_id,
        lead_id
    from {{ identities }}
    where tenant_id in (
        select tenant_id from {{ ref('changed_tenants') }}
        where has_other_deliveries
    )
),

known_visitors as (
    select
        tenant_id,
        arrayJoin(tracking_ids) as tracking_id
    from {{ leads }}
    where (tenant_id, lead_id) in (select tenant_id, lead_id from concerned_leads)
)

select distinct
    tenant_id,
    tracking_id,
    {{ turn() }} as turn
from (
    select
        tenant_id,
        tracking_id
    from identified
    union all
    select
        tenant_id,
        tracking_id
    from known_visitors
)

{%- else %}

select distinct
    tenant_id,
    tracking_id,
    {{ turn() }} as turn
from identified

{%- endif %}
