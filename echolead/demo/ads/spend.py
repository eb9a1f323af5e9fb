"""What the demo's campaigns cost: Google Ads' `googleAds:search` and Meta's insights, over the same kind of account.

Sources: Google Ads API reference (GoogleAdsService.Search over REST, errors, OAuth 2.0); Marketing API reference (Ad
Account, Insights, "Limits and Best Practices"). Both leave out days without any activity.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from echolead.demo.traffic.campaigns import ad_campaign_id
from echolead.demo.traffic.costs import AD_ACCOUNTS

Answer = tuple[int, dict[str, Any]]
DEMO_DAYS = 90
NAMES = {
    "google_ads": ("busca-marca", "busca-generica", "busca-dor", "pmax-vendas", "remarketing-display"),
    "meta_ads": ("prospeccao-interesses", "prospeccao-semelhantes", "remarketing-visitantes", "stories-depoimentos"),
}
BETWEEN = re.compile(r"segments\.date BETWEEN '(\d{4}-\d\d-\d\d)' AND '(\d{4}-\d\d-\d\d)'")
TOO_MUCH = 1487534


@dataclass
class AdCampaign:
    """A campaign with its name of now and its (cost, impressions, clicks) by day; cost in hundredths."""

    name: str
    days: dict[date, tuple[int, int, int]] = field(default_factory=dict)


@dataclass
class SpendAccount:
    """An ad account. `page_rows` is the size of its pages, `most_days` how many days an answer of Meta's may cover."""

    account_id: str
    name: str = "Conta de demonstração"
    zone: str = "America/Sao_Paulo"
    currency: str = "BRL"
    campaigns: dict[str, AdCampaign] = field(default_factory=dict)
    page_rows: int = 1000
    most_days: int = 10_000

    def spend(
        self, campaign_id: str, name: str, day: str, cents: int, impressions: int = 100, clicks: int = 10
    ) -> None:
        """What a campaign cost on a day, and its name from now on; a day that is said again is corrected."""
        campaign = self.campaigns.setdefault(campaign_id, AdCampaign(name))
        campaign.name = name
        campaign.days[date.fromisoformat(day)] = (cents, impressions, clicks)

    def rows(self, since: str, until: str) -> list[tuple[str, str, date, int, int, int]]:
        """(id, name, day, cents, impressions, clicks) of the days with any activity, by day."""
        first, last = date.fromisoformat(since), date.fromisoformat(until)
        found = [
            (campaign_id, campaign.name, day, *numbers)
            for campaign_id, campaign in self.campaigns.items()
            for day, numbers in campaign.days.items()
            if first <= day <= last and any(numbers)
        ]
        return sorted(found, key=lambda row: (row[2], row[0]))


def demo_account(platform: str, account_id: str) -> SpendAccount:
    """An account with the campaigns of the generated traffic, whose cost follows the day of the week."""
    account = SpendAccount(account_id)
    today = datetime.now(UTC).date()
    for number, name in enumerate(NAMES[platform], start=1):
        for back in range(DEMO_DAYS):
            day = today - timedelta(days=back)
            cents = 2500 * number + 700 * day.weekday() + 13 * (day.toordinal() % 29)
            account.spend(ad_campaign_id(name), name, str(day), cents, cents // 3, cents // 120)
    return account


@dataclass
class GoogleAdsReports:
    """Google Ads: a user's access to one account, through an OAuth client and a developer token."""

    account: SpendAccount = field(default_factory=lambda: SpendAccount(AD_ACCOUNTS["google_ads"]))
    client_id: str = "demo-client"
    client_secret: str = "demo-google-secret"  # noqa: S105  # of the demo
    refresh_token: str = "demo-refresh-token"  # noqa: S105
    developer_token: str = "demo-developer-token"  # noqa: S105
    tokens: set[str] = field(default_factory=set)

    def token(self, form: Mapping[str, Any]) -> Answer:
        """`POST /token`: an access token for the refresh token."""
        given = (form.get("grant_type"), form.get("client_id"), form.get("client_secret"), form.get("refresh_token"))
        if given != ("refresh_token", self.client_id, self.client_secret, self.refresh_token):
            return 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
        made = f"ya29.demo-{len(self.tokens)}"
        self.tokens.add(made)
        return 200, {"access_token": made, "expires_in": 3599, "token_type": "Bearer"}

    def search(self, headers: Mapping[str, str], customer_id: str, body: Mapping[str, Any]) -> Answer:
        """`POST /{version}/customers/{id}/googleAds:search`."""
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return _google_error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if headers.get("developer-token") != self.developer_token or customer_id != self.account.account_id:
            return _google_error(403, "PERMISSION_DENIED", "The caller does not have permission")
        if "pageSize" in body:
            return _google_error(400, "INVALID_ARGUMENT", "PAGE_SIZE_NOT_SUPPORTED")
        query = str(body.get("query"))
        account = self.account
        if " FROM customer" in query:
            about = {"id": account.account_id, "descriptiveName": account.name, "timeZone": account.zone,
                     "currencyCode": account.currency}  # fmt: skip
            return 200, {"results": [{"customer": about}]}
        asked = BETWEEN.search(query)
        if asked is None:
            return _google_error(400, "INVALID_ARGUMENT", "Error in query: no range of dates")
        rows = account.rows(asked[1], asked[2])
        first = int(body.get("pageToken") or 0)
        last = first + account.page_rows
        more = {"nextPageToken": str(last)} if last < len(rows) else {}
        return 200, {"results": [_google_row(row) for row in rows[first:last]], **more}


@dataclass
class MetaAdsReports:
    """Meta Ads: the insights of one ad account."""

    account: SpendAccount = field(default_factory=lambda: SpendAccount(AD_ACCOUNTS["meta_ads"]))
    access_token: str = "demo-meta-token"  # noqa: S105  # of the demo

    def show(self, token: str, account_id: str) -> Answer:
        """`GET /{version}/act_{id}`."""
        account = self.account
        return self._refusal(token, account_id) or (
            200,
            {"account_id": account.account_id, "name": account.name, "timezone_name": account.zone,
             "currency": account.currency, "id": f"act_{account.account_id}"},
        )  # fmt: skip

    def insights(self, token: str, account_id: str, params: Mapping[str, str]) -> Answer:
        """`GET /{version}/act_{id}/insights`, by campaign and day."""
        refusal = self._refusal(token, account_id)
        if refusal is not None:
            return refusal
        if params.get("level") != "campaign" or params.get("time_increment") != "1":
            return _meta_error(400, 100, 0, "level=campaign and time_increment=1 are what the demo has")
        asked = json.loads(params["time_range"])
        days = (date.fromisoformat(asked["until"]) - date.fromisoformat(asked["since"])).days + 1
        if days > self.account.most_days:
            return _meta_error(400, 100, TOO_MUCH, "Please reduce the amount of data you're asking for")
        rows = self.account.rows(asked["since"], asked["until"])
        first = int(params.get("after") or 0)
        last = first + min(int(params.get("limit") or 25), self.account.page_rows)
        paging = {"cursors": {"before": str(first), "after": str(last)}}
        if last < len(rows):
            paging["next"] = "https://graph.facebook.com/next"  # type: ignore[assignment]
        return 200, {"data": [_meta_row(row) for row in rows[first:last]], "paging": paging}

    def _refusal(self, token: str, account_id: str) -> Answer | None:
        if token != f"Bearer {self.access_token}":
            return _meta_error(400, 190, 463, "Error validating access token: Session has expired")
        if account_id != self.account.account_id:
            return _meta_error(400, 100, 33, "Unsupported get request. Object does not exist or cannot be loaded")
        return None


def _google_row(row: tuple[str, str, date, int, int, int]) -> dict[str, Any]:
    campaign_id, name, day, cents, impressions, clicks = row
    return {
        "campaign": {"resourceName": f"customers/1/campaigns/{campaign_id}", "id": campaign_id, "name": name},
        "metrics": {"costMicros": str(cents * 10_000), "impressions": str(impressions), "clicks": str(clicks)},
        "segments": {"date": str(day)},
    }


def _meta_row(row: tuple[str, str, date, int, int, int]) -> dict[str, Any]:
    campaign_id, name, day, cents, impressions, clicks = row
    return {
        "campaign_id": campaign_id, "campaign_name": name, "spend": f"{cents / 100:.2f}",
        "impressions": str(impressions), "clicks": str(clicks), "date_start": str(day), "date_stop": str(day),
    }  # fmt: skip


def _google_error(status: int, code: str, message: str) -> Answer:
    return status, {"error": {"code": status, "message": message, "status": code}}


def _meta_error(status: int, code: int, subcode: int, message: str) -> Answer:
    return status, {"error": {"message": message, "type": "OAuthException", "code": code, "error_subcode": subcode}}
