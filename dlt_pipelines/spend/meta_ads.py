"""Meta Ads: cost of campaigns by day, by the insights of an ad account.

Sources: Marketing API reference (Ad Account: `timezone_name`, `currency`; Insights: `level`, `time_increment`,
`time_range`, `paging.cursors.after`), "Limits and Best Practices" (too much data: code 100, subcode 1487534). Days are
those of the account's time zone; a campaign that did not run on a day has no row.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from dlt_pipelines.deals.records import Ask, text
from dlt_pipelines.spend.records import AdAccount, SpendDay, TooMuchAsked, UnreadableSpend

LISTED = 500
PAGES = 1000
FIELDS = "campaign_id,campaign_name,spend,impressions,clicks"


class MetaAdsSpend:
    """The spend of one ad account of Meta's."""

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        self._path = f"{configuration['version']}/act_{configuration['account_id']}"

    async def account(self, ask: Ask) -> AdAccount:
        """Name, zone and currency of the account."""
        params = {"fields": "account_id,name,timezone_name,currency"}
        found = await ask("show account", "GET", self._path, params=params)
        return AdAccount(text(found["account_id"]), text(found.get("name")), found["timezone_name"], found["currency"])

    async def days(self, ask: Ask, since: date, until: date) -> AsyncIterator[Sequence[SpendDay]]:
        """Pages of the campaigns' days; when Meta finds it too much, in halves, down to a single day."""
        try:
            found = [each async for page in self._rows(ask, since, until) for each in page]
        except TooMuchAsked:
            if since == until:
                raise
            middle = since + (until - since) // 2
            for first, last in ((since, middle), (middle + timedelta(days=1), until)):
                async for part in self.days(ask, first, last):
                    yield part
            return
        yield [_day(row) for row in found]

    async def _rows(self, ask: Ask, since: date, until: date) -> AsyncIterator[list[Any]]:
        params = {
            "level": "campaign",
            "time_increment": "1",
            "time_range": json.dumps({"since": str(since), "until": str(until)}),
            "fields": FIELDS,
            "limit": str(LISTED),
        }
        for _ in range(PAGES):
            answer = await ask("list spend", "GET", f"{self._path}/insights", params=params)
            yield answer["data"]
            paging = answer.get("paging") or {}
            if not paging.get("next"):
                return
            params = {**params, "after": str(paging["cursors"]["after"])}


def _day(row: Mapping[str, Any]) -> SpendDay:
    try:
        cost = Decimal(str(row.get("spend") or 0))
    except InvalidOperation:
        raise UnreadableSpend(f"{str(row['spend'])[:40]!r} is not an amount.") from None
    return SpendDay(
        campaign_id=text(row["campaign_id"]),
        campaign=text(row.get("campaign_name"), 500),
        day=date.fromisoformat(row["date_start"]),
        cost=cost,
        impressions=int(row.get("impressions") or 0),
        clicks=int(row.get("clicks") or 0),
    )
