"""Google Ads: cost of campaigns by day, by `googleAds:search`.

Sources: Google Ads API reference (GoogleAdsService.Search: pages of 10,000 rows, `pageToken`; REST: lower camel case,
int64 as text), field reference of `campaign`, `customer`, `metrics.cost_micros`, `segments.date`. Days are those of the
account's time zone. With a segment, rows without any activity are left out.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from dlt_pipelines.deals.records import Ask, text
from dlt_pipelines.spend.records import AdAccount, SpendDay, UnreadableSpend

PAGES = 1000
MICROS = Decimal(1_000_000)
ACCOUNT = (
    "SELECT customer.id, customer.descriptive_name, customer.time_zone, customer.currency_code FROM customer LIMIT 1"
)
DAYS = (
    "SELECT campaign.id, campaign.name, segments.date, metrics.cost_micros, metrics.impressions, metrics.clicks "
    "FROM campaign WHERE segments.date BETWEEN '{since}' AND '{until}' ORDER BY segments.date"
)


class GoogleAdsSpend:
    """The spend of one Google Ads account."""

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        self._path = f"{configuration['version']}/customers/{configuration['customer_id']}/googleAds:search"

    async def account(self, ask: Ask) -> AdAccount:
        """Name, zone and currency of the account."""
        async for page in self._rows(ask, "show account", ACCOUNT):
            for row in page:
                found = row["customer"]
                return AdAccount(
                    text(found["id"]), text(found.get("descriptiveName")), found["timeZone"], found["currencyCode"]
                )
        raise UnreadableSpend("Google gives no account.")

    async def days(self, ask: Ask, since: date, until: date) -> AsyncIterator[Sequence[SpendDay]]:
        """Pages of the campaigns' days."""
        async for page in self._rows(ask, "list spend", DAYS.format(since=since, until=until)):
            yield [_day(row) for row in page]

    async def _rows(self, ask: Ask, operation: str, query: str) -> AsyncIterator[list[Any]]:
        token = ""
        for _ in range(PAGES):
            body = {"query": query, **({"pageToken": token} if token else {})}
            answer = await ask(operation, "POST", self._path, body=body)
            yield answer.get("results") or []
            token = text(answer.get("nextPageToken"), 5000)
            if not token:
                return


def _day(row: Mapping[str, Any]) -> SpendDay:
    metrics = row["metrics"]
    return SpendDay(
        campaign_id=text(row["campaign"]["id"]),
        campaign=text(row["campaign"].get("name"), 500),
        day=date.fromisoformat(row["segments"]["date"]),
        cost=Decimal(metrics.get("costMicros") or 0) / MICROS,
        impressions=int(metrics.get("impressions") or 0),
        clicks=int(metrics.get("clicks") or 0),
    )
