"""The people of a period and what became of them: one statement for cards, charts, splits, tables, files and API.

A person is a lead with all of its visitors, or a visitor who is no lead. Each counts once in a period: who became a
lead in it at that moment, anyone else at the first visit in it. A lead counts under its own source, anyone else under
that of the first visit of the period; device and country are always those of the first visit. So the parts of a split
add up to the whole, a filter narrows visitors and leads alike, and no rate is above 100 %.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from echolead.metrics.periods import Period

MetricKind = Literal["count", "share", "seconds", "money"]

DIMENSIONS = ("channel", "source", "campaign", "landing_page", "device", "country", "rules_version")
"""What people are split and filtered by."""
BUCKET = "bucket"
"""The split by hour or day: the key is the number of the hour or day in its window, so that both windows meet."""
LARGEST = 500
"""A split has this many parts at most, those with the most leads."""


@dataclass(frozen=True)
class Metric:
    """One figure: its SQL over `people`, how it is written, and whether more of it is better."""

    name: str
    kind: MetricKind
    sql: str
    is_more_better: bool = True


METRICS = (
    Metric("visitors", "count", "count()"),
    Metric("engaged", "count", "countIf(is_engaged or is_lead)"),
    Metric("leads", "count", "countIf(is_lead)"),
    Metric("chats", "count", "countIf(stage >= 2)"),
    Metric("qualified", "count", "countIf(stage >= 3)"),
    Metric("won", "count", "countIf(stage >= 4)"),
    Metric("conversion", "share", "if(count() = 0, null, countIf(is_lead) / count())"),
    Metric("known_source", "share", "avgOrNullIf(source != '(direct)', is_lead)"),
    Metric("synced", "share", "avgOrNullIf(is_synced, is_lead)"),
    Metric("verified", "share", "avgOrNullIf(is_verified, is_lead)"),
    Metric("speed_p50", "seconds", "quantileExactOrNullIf(0.5)(speed_seconds, is_lead)", is_more_better=False),
    Metric("speed_p90", "seconds", "quantileExactOrNullIf(0.9)(speed_seconds, is_lead)", is_more_better=False),
    Metric("revenue", "money", "sumOrNullIf(lead_revenue, is_lead)"),
)
BY_NAME = {each.name: each for each in METRICS}
FUNNEL = ("visitors", "engaged", "leads", "chats", "qualified", "won")
"""Each stage counts who reached it or a later one."""

# Reads the tenant's sessions of the two windows, by the index `of_time`: visitors' ids begin with a time, so that the
# sessions of a time lie close together, and few others are read beside them. Reads all of the tenant's leads with their
# visitors, deals, deliveries and changes of results: who came back in the period can be a lead of any time. Each view
# is named once: planning them is most of what the statement costs. A lead stands in both parts, and counts in that of
# its `created_at`; elsewhere its row says whose a visit is.
PEOPLE = """
with
visitors_leads as (
    select value as tracking_id, min(lead_id) as lead_id from marts.identities
    where tenant_id = {tenant_id:String} and kind = 'tracking_id'
    group by tracking_id
),
moments as (
    select
        if(started_at >= {current_start:DateTime64(3, 'UTC')} and started_at < {current_end:DateTime64(3, 'UTC')},
            'current', 'before') as part,
        if(visitors_leads.lead_id != '', visitors_leads.lead_id, sessions.tracking_id) as person_id,
        true as is_visit, false as is_lead, not is_bounce as is_engaged, started_at as at,
        channel, source, campaign, landing_page, device_type as device, country,
        '' as furthest_stage, cast(null, 'Nullable(Int64)') as speed_seconds,
        cast(null, 'Nullable(Decimal(38, 2))') as lead_revenue
    from marts.sessions as sessions
    left join visitors_leads on sessions.tracking_id = visitors_leads.tracking_id
    where tenant_id = {tenant_id:String} and (not is_bot or visitors_leads.lead_id != '')
        and ((started_at >= {current_start:DateTime64(3, 'UTC')} and started_at < {current_end:DateTime64(3, 'UTC')})
            or (started_at >= {before_start:DateTime64(3, 'UTC')} and started_at < {before_end:DateTime64(3, 'UTC')}))
    union all
    select
        arrayJoin(['current', 'before']) as part,
        lead_id as person_id, false as is_visit,
        created_at >= if(part = 'current', {current_start:DateTime64(3, 'UTC')}, {before_start:DateTime64(3, 'UTC')})
            and created_at < if(part = 'current', {current_end:DateTime64(3, 'UTC')}, {before_end:DateTime64(3, 'UTC')})
            as is_lead,
        false as is_engaged, created_at as at,
        channel, source, campaign, landing_page, '' as device, '' as country,
        furthest_stage, dateDiff('second', first_visit_at, created_at) as speed_seconds, revenue as lead_revenue
    from marts.lead_journeys
    where tenant_id = {tenant_id:String}
),
present as (
    select part, person_id,
        max(moments.is_lead) as is_lead,
        max(moments.is_engaged) as is_engaged,
        toTimeZone(if(is_lead, minIf(at, moments.is_lead), minIf(at, is_visit)), {zone:String}) as counted_at_local,
        argMin(moments.channel, (is_visit, at)) as channel,
        argMin(moments.source, (is_visit, at)) as source,
        argMin(moments.campaign, (is_visit, at)) as campaign,
        argMin(moments.landing_page, (is_visit, at)) as landing_page,
        argMinIf(moments.device, at, is_visit) as device,
        argMinIf(moments.country, at, is_visit) as country,
        indexOf(['lead', 'chat', 'qualified', 'won'], maxIf(furthest_stage, moments.is_lead)) as stage,
        maxIf(moments.speed_seconds, moments.is_lead) as speed_seconds,
        maxIf(moments.lead_revenue, moments.is_lead) as lead_revenue
    from moments
    group by part, person_id
    having is_lead or max(is_visit)
),
arrived as (
    select lead_id, true as is_synced, max(state = 'verified') as is_verified from marts.deliveries
    where tenant_id = {tenant_id:String} and state in ('delivered', 'verified')
    group by lead_id
),
versions as (
    select lead_id, toString(argMin(version, valid_from)) as version from marts.lead_result_changes
    where tenant_id = {tenant_id:String}
    group by lead_id
),
people as (
    select
        present.*,
        coalesce(arrived.is_synced, false) as is_synced,
        coalesce(arrived.is_verified, false) as is_verified,
        if(is_lead, versions.version, '') as rules_version
    from present
    left join arrived on present.person_id = arrived.lead_id
    left join versions on present.person_id = versions.lead_id
)
"""


@dataclass(frozen=True)
class Question:
    """A period, filters by dimension, and what to split by; no split is the whole alone."""

    period: Period
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    splits: Sequence[str] = ()


def conditions(question: Question) -> str:
    """The filters as SQL over `people`, '' for none. Raises `KeyError` for a dimension that there is not."""
    filters = {name: values for name, values in question.filters.items() if values}
    for name in filters:
        if name not in DIMENSIONS:
            raise KeyError(name)
    return " and ".join(f"has({{of_{name}:Array(String)}}, {name})" for name in filters)


def bound_parameters(question: Question) -> dict[str, Any]:
    """The parameters of `PEOPLE` and of `conditions`, but for the tenant."""
    return _bound(question.period) | {f"of_{name}": list(found) for name, found in question.filters.items() if found}


def statement(question: Question) -> tuple[str, dict[str, Any]]:
    """The SQL and its parameters. Rows: `part` (current or before), `split` ('' for the whole), `key`, every metric.

    Raises `KeyError` for a dimension that there is not.
    """
    for name in question.splits:
        if name not in (*DIMENSIONS, BUCKET):
            raise KeyError(name)
    keys = ", ".join(["('', '')", *(f"('{name}', {_key(name, question.period)})" for name in question.splits)])
    metrics = ",\n    ".join(f"{each.sql} as {each.name}" for each in METRICS)
    # Names of dimensions and metrics are this module's own; values are bound.
    sql = f"""{PEOPLE}
select part, tupleElement(each, 1) as split, tupleElement(each, 2) as key,
    {metrics}
from (select *, arrayJoin([{keys}]) as each from people where {conditions(question) or "true"}) as parts
group by part, split, key
order by leads desc, visitors desc, key
limit {{largest:UInt32}} by part, split
"""  # noqa: S608
    return sql, bound_parameters(question) | {"largest": LARGEST}


def _key(name: str, period: Period) -> str:
    if name != BUCKET:
        return name
    if period.is_by_hour:
        return "toString(toHour(counted_at_local))"
    return (
        "toString(dateDiff('day', toDate(if(part = 'current', {current_date:String}, {before_date:String})),"
        " toDate(counted_at_local)))"
    )


def _bound(period: Period) -> dict[str, Any]:
    """The parameters of the period's windows."""
    bound: dict[str, Any] = {"zone": period.zone}
    for part, window in (("current", period.current), ("before", period.before)):
        start, end = window.utc(period.zone)
        bound |= {
            f"{part}_start": f"{start:%Y-%m-%d %H:%M:%S}",
            f"{part}_end": f"{end:%Y-%m-%d %H:%M:%S}",
            f"{part}_date": f"{window.start:%Y-%m-%d}",
        }
    return bound
