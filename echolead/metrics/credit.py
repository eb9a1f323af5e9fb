"""Credit of conversions by attribution model, what another model moves, costs, and the paths to a conversion."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any

from echolead.metrics.people import Metric
from echolead.metrics.periods import Period

COST = Metric("cost", "money", "sum(cost)", is_more_better=False)
MODELS = ("last_non_direct", "first_touch", "last_touch", "linear")
DIMENSIONS = ("channel", "source", "campaign", "landing_page")
LARGEST = 500

# Reads the tenant's rows of attribution of the days. Each model gives every conversion a credit of 1 in all, so that
# the credits of a column add up to the conversions. A lead that bought three times is one lead with four conversions.
CREDIT = """
select {dimension} as key,
    sumIf(credit, model = {{model:String}} and conversion_kind = 'lead') as lead_credit,
    sumIf(credit, model = {{other:String}} and conversion_kind = 'lead') as other_lead_credit,
    lead_credit - other_lead_credit as moved,
    uniqExactIf(lead_id, model = {{model:String}}) as converted_leads,
    sumIf(credit, model = {{model:String}} and conversion_kind = 'event') as event_credit,
    sumIf(converted_revenue, model = {{model:String}}) as revenue,
    sumIf(converted_revenue, model = {{other:String}}) as other_revenue
from marts.attribution
where tenant_id = {{tenant_id:String}} and model in ({{model:String}}, {{other:String}})
    and converted_date >= toDate({{first_day:String}}) and converted_date < toDate({{day_behind:String}})
    and {conditions}
group by key
order by lead_credit desc, revenue desc, key
limit {{rows:UInt32}}
"""
# Reads the tenant's campaigns by day. A ratio is of the sums; it is not known where a part of the money has no rate.
COSTS = """
select platform, campaign,
    sum(campaigns.cost) as cost,
    sum(campaigns.clicks) as clicks,
    sum(campaigns.visits) as visits,
    sum(campaigns.leads) as leads,
    sum(campaigns.won) as won,
    sum(campaigns.revenue) as revenue,
    max(notEmpty(campaigns.unconverted_cost)) as lacks_cost,
    max(notEmpty(campaigns.unconverted_revenue)) as lacks_revenue,
    if(leads = 0 or lacks_cost, null, toFloat64(cost) / leads) as cpl,
    if(won = 0 or lacks_cost, null, toFloat64(cost) / won) as cac,
    if(
        coalesce(cost, 0) = 0 or lacks_cost or lacks_revenue, null,
        toFloat64(coalesce(revenue, 0)) / toFloat64(cost)
    ) as roas,
    max(date) as last_day
from marts.campaigns as campaigns
where tenant_id = {tenant_id:String} and model = {model:String}
    and date >= toDate({first_day:String}) and date < toDate({day_behind:String})
group by platform, account_id, campaign_id, campaign
order by cost desc nulls last, leads desc, campaign
limit {rows:UInt32}
"""
# The same of everything: one row. Cost and revenue are those of the cards.
COST_TOTALS = """
select
    sumIf(campaigns.cost, date >= toDate({first_day:String})) as cost,
    sumIf(campaigns.cost, date < toDate({first_day:String})) as cost_before,
    max(if(campaigns.cost is null, null, date)) as last_day_with_cost,
    countIf(notEmpty(unconverted_cost)) as days_without_rate
from marts.campaigns as campaigns
where tenant_id = {tenant_id:String} and model = 'last_non_direct'
    and ((date >= toDate({first_day:String}) and date < toDate({day_behind:String}))
        or (date >= toDate({first_day_before:String}) and date < toDate({day_behind_before:String})))
"""
# Reads the conversions of the days, and the touches of the tenant's leads. Channels that follow themselves count once.
PATHS = """
select arrayStringConcat(arrayCompact(channels), ' → ') as path, count() as leads,
    avg(length(channels)) as touches, quantileExact(0.5)(seconds) as days_seconds
from (
    select conversions.lead_id as lead_id,
        arrayMap(each -> each.2, arraySort(groupArray((touch_at, channel)))) as channels,
        dateDiff('second', min(touch_at), any(conversions.occurred_at)) as seconds
    from marts.conversions as conversions
    inner join marts.lead_touches as touches on conversions.lead_id = touches.lead_id
    where conversions.tenant_id = {tenant_id:String} and touches.tenant_id = {tenant_id:String} and kind = 'lead'
        and occurred_date >= toDate({first_day:String}) and occurred_date < toDate({day_behind:String})
        and touch_at <= path_ends_at and touch_at > path_ends_at - interval 90 day
    group by lead_id
) as paths
group by path
order by leads desc, path
limit {rows:UInt32}
"""


def days(period: Period) -> dict[str, Any]:
    """The days of a period's windows as parameters; a part of today is the whole of it, as costs are by day."""
    bound: dict[str, Any] = {}
    for name, window in (("", period.current), ("_before", period.before)):
        bound |= {
            f"first_day{name}": f"{window.start:%Y-%m-%d}",
            f"day_behind{name}": f"{_day_behind(window.end):%Y-%m-%d}",
        }
    return bound


def _day_behind(end: datetime) -> datetime:
    return end if end.time() == time() else end + timedelta(days=1)


def credit_statement(dimension: str, filters: Mapping[str, Sequence[str]]) -> str:
    """The credit by a dimension. Raises `KeyError` for a dimension that there is not."""
    held = [name for name, values in filters.items() if values]
    for name in (dimension, *held):
        if name not in DIMENSIONS:
            raise KeyError(name)
    conditions = " and ".join(f"has({{of_{name}:Array(String)}}, {name})" for name in held)
    return CREDIT.format(dimension=dimension, conditions=conditions or "true")
