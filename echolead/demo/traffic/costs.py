"""What the ads of generated traffic cost, as the file of a tool that collects the spend of all platforms."""

import csv
import io
from collections import Counter
from datetime import date, datetime
from typing import NamedTuple
from zlib import crc32
from zoneinfo import ZoneInfo

from echolead.demo.traffic.campaigns import Campaign, ad_campaign_id

ZONE = "America/Sao_Paulo"
CURRENCY = "BRL"
PLATFORMS = {"google": "google_ads", "facebook": "meta_ads", "instagram": "meta_ads", "tiktok": "tiktok_ads"}
PAID_MEDIUMS = {"cpc", "display", "paid-social"}
AD_ACCOUNTS = {"google_ads": "1234567890", "meta_ads": "9876543210", "tiktok_ads": "7012345678"}
"""The account of all demo tenants on each platform."""
COLUMNS = ("day", "platform", "account", "campaign", "campaign id", "currency", "cost", "impressions", "clicks")


class AdDay(NamedTuple):
    """A campaign on a day of its account."""

    day: date
    platform: str
    campaign: str


class AdClicks:
    """Clicks on ads by tenant and `AdDay`."""

    def __init__(self) -> None:
        self._by_tenant: dict[str, Counter[AdDay]] = {}
        self._zone = ZoneInfo(ZONE)

    def count(self, tenant_id: str, campaign: Campaign, at_ms: int) -> None:
        """Count a visit, unless the campaign is free of charge."""
        params = dict(campaign.params)
        platform = PLATFORMS.get(params.get("utm_source", ""))
        if platform is None or params["utm_medium"] not in PAID_MEDIUMS:
            return
        day = datetime.fromtimestamp(at_ms / 1000, self._zone).date()
        self._by_tenant.setdefault(tenant_id, Counter())[AdDay(day, platform, params["utm_campaign"])] += 1

    def files(self, before: datetime) -> dict[str, str]:
        """A CSV by tenant, of the days before that of `before`: platforms say what a day cost when it is over."""
        today = before.astimezone(self._zone).date()
        over = {
            tenant_id: {key: number for key, number in clicks.items() if key.day < today}
            for tenant_id, clicks in self._by_tenant.items()
        }
        return {tenant_id: _csv(clicks) for tenant_id, clicks in over.items() if clicks}


def _csv(clicks: dict[AdDay, int]) -> str:
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(COLUMNS)
    for (day, platform, campaign), number in sorted(clicks.items()):
        price = _cents(platform, campaign)
        cents = number * price + (day.toordinal() * 7 + price) % 60
        account, campaign_id = AD_ACCOUNTS[platform], ad_campaign_id(campaign)
        cost = f"{cents // 100}.{cents % 100:02}"
        rows.writerow([day, platform, account, campaign, campaign_id, CURRENCY, cost, 38 * number + cents % 97, number])
    return written.getvalue()


def _cents(platform: str, campaign: str) -> int:
    """A click's price: searches cost more than what is shown unasked, and one's own name costs little."""
    if campaign == "busca-marca":
        return 45
    return (140 if platform == "google_ads" else 70) + crc32(campaign.encode()) % 90
