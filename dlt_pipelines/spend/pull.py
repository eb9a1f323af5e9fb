"""One pull of one account's spend: the last days are read again, and what differs from raw is appended."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from clickhouse_connect.driver.client import Client

from dlt_pipelines.deals.records import Ask
from dlt_pipelines.lease import Lease
from dlt_pipelines.spend.google_ads import GoogleAdsSpend
from dlt_pipelines.spend.load import LEASE, SpendLoad, append
from dlt_pipelines.spend.meta_ads import MetaAdsSpend
from dlt_pipelines.spend.records import NO_COST, AdAccount, AdSource, SpendDay, UnreadableSpend
from echolead.settings import Settings
from echolead.warehouse import connect

SOURCES: Mapping[str, type[GoogleAdsSpend] | type[MetaAdsSpend]] = {
    "google_ads": GoogleAdsSpend,
    "meta_ads": MetaAdsSpend,
}
RESTATED_DAYS = 30
"""Platforms correct the cost of past days, as clicks turn out to be invalid: so many days are read again each time."""
HISTORY_DAYS = 400
"""How far back the first pull of an account reads: a year, and the month to compare it with."""
WINDOW_DAYS = 31
"""So many days are asked for and appended at once; a pull that is cut off goes on behind them."""

REACHED = """
    SELECT max(spend_date) FROM raw.ad_spend
    WHERE tenant_id = {tenant_id:String} AND platform = {platform:String} AND account_id = {account_id:String}
"""
KNOWN = """
    SELECT campaign_id, spend_date,
        argMax((campaign_name, currency, cost, impressions, clicks, account_zone), (loaded_at, load_id)) AS said
    FROM raw.ad_spend
    WHERE tenant_id = {tenant_id:String} AND platform = {platform:String} AND account_id = {account_id:String}
        AND spend_date BETWEEN {since:String} AND {until:String}
    GROUP BY campaign_id, spend_date
"""


@dataclass(frozen=True)
class SpendPlace:
    """An account whose spend is pulled."""

    tenant_id: str
    platform: str
    configuration: Mapping[str, Any]


@contextmanager
def the_only_load(settings: Settings) -> Iterator[None]:
    """Hold the lease of loads of spend for the length of the block; waits while another process has it."""
    with Lease(settings.postgres_loader_url.get_secret_value(), LEASE):
        yield


async def pull(settings: Settings, place: SpendPlace, ask: Ask, now: datetime | None = None) -> int:
    """Append what the platform says of the last days and raw does not; how many rows. Within `the_only_load`.

    What was appended before a call failed stays. Raises what `ask` raises; `UnreadableSpend`.
    """
    source: AdSource = SOURCES[place.platform](place.configuration)
    account = await source.account(ask)
    if account.zone not in available_timezones():
        raise UnreadableSpend(f"The time zone {account.zone[:60]!r} of the account is not known.")
    now = now or datetime.now(UTC)
    today = now.astimezone(ZoneInfo(account.zone)).date()
    load = SpendLoad(place.tenant_id, place.platform, account, "pull", f"{now:%Y%m%dT%H%M%S%f}")
    appended = 0
    with closing(connect(settings.clickhouse("loader"))) as client:
        since = _since(client, place, account, today)
        while since <= today:
            until = min(since + timedelta(days=WINDOW_DAYS - 1), today)
            said = [day async for page in source.days(ask, since, until) for day in page]
            news = changed(said, _known(client, place, account, since, until), account)
            append(settings, load, news)
            appended += len(news)
            since = until + timedelta(days=1)
    return appended


Said = tuple[str, str, Decimal, int, int, str]
"""Name, currency, cost, impressions, clicks and zone of a campaign's day."""


def changed(said: Sequence[SpendDay], known: Mapping[tuple[str, date], Said], account: AdAccount) -> list[SpendDay]:
    """The days that raw has otherwise; one that the platform has no more costs nothing from now on."""
    present = {(day.campaign_id, day.day): day for day in said}
    news = [day for key, day in present.items() if known.get(key) != _said(day, account)]
    gone = [
        SpendDay(key[0], name, key[1], NO_COST)
        for key, (name, _, cost, *_) in known.items()
        if key not in present and cost != NO_COST
    ]
    return news + gone


def _said(day: SpendDay, account: AdAccount) -> Said:
    return day.campaign, account.currency, round(day.cost, 6), day.impressions, day.clicks, account.zone


def _since(client: Client, place: SpendPlace, account: AdAccount, today: date) -> date:
    of = {"tenant_id": place.tenant_id, "platform": place.platform, "account_id": account.account_id}
    reached = client.query(REACHED, parameters=of).result_rows[0][0]
    if not reached:
        return today - timedelta(days=HISTORY_DAYS)
    return min(date.fromisoformat(reached), today) - timedelta(days=RESTATED_DAYS)


def _known(
    client: Client, place: SpendPlace, account: AdAccount, since: date, until: date
) -> dict[tuple[str, date], Said]:
    of = {"tenant_id": place.tenant_id, "platform": place.platform, "account_id": account.account_id}
    rows = client.query(KNOWN, parameters={**of, "since": str(since), "until": str(until)}).result_rows
    return {
        (campaign_id, date.fromisoformat(day)): (name, currency, Decimal(cost), impressions, clicks, zone)
        for campaign_id, day, (name, currency, cost, impressions, clicks, zone) in rows
    }
