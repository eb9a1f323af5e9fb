"""How the platforms' APIs are called: credentials, what their answers stand for, how often they may be asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from reverse_etl.calls import TIMEOUT, Reply, judge_by_status
from reverse_etl.destinations.meta import judge_graph
from reverse_etl.errors import DeliveryFailed, Misconfigured, Rejected, Unavailable
from reverse_etl.tokens import OAuth, refresh_token

QUOTA_SECONDS = 60.0
"""How long Google is left alone when it names no time with a spent quota."""
TOO_MUCH = "1487534"
"""Meta's subcode for an answer that would be too large."""


@dataclass(frozen=True)
class AdPlatform:
    """A platform: a client with an account's credentials, and what an answer stands for (None: it succeeded)."""

    client: Callable[[Mapping[str, Any], Mapping[str, str], httpx.AsyncBaseTransport], httpx.AsyncClient]
    judge: Callable[[Reply], DeliveryFailed | None]
    requests_per_second: float


def google_client(
    configuration: Mapping[str, Any], secrets: Mapping[str, str], transport: httpx.AsyncBaseTransport
) -> httpx.AsyncClient:
    """A pool that signs itself in as the user who gave the refresh token."""
    headers = {"developer-token": secrets["developer_token"], "User-Agent": "EchoLead"}
    if configuration.get("login_customer_id"):
        headers["login-customer-id"] = str(configuration["login_customer_id"])
    of_client = {"client_id": str(configuration["client_id"]), **secrets}
    return httpx.AsyncClient(
        base_url=f"{configuration['base_url']}/",
        auth=OAuth(transport, str(configuration["token_url"]), refresh_token(), of_client),
        headers=headers,
        timeout=TIMEOUT,
        transport=transport,
    )


def judge_google(answer: Reply) -> DeliveryFailed | None:
    """By the status; a spent quota names the time to wait (errors reference: QuotaError, `retryDelay`)."""
    error = _error(answer.content)
    said = str(error.get("message") or answer.kept)[:500]
    if answer.status == 429:
        return Unavailable(f"Google's quota is spent: {said}", retry_after=_retry_delay(error) or QUOTA_SECONDS)
    judged = judge_by_status(answer)
    if isinstance(judged, Misconfigured):
        return Misconfigured(f"Google refuses the credentials or the account ({answer.status}): {said}")
    if isinstance(judged, Rejected):
        return Rejected(f"Google refuses the query ({answer.status}): {said}", status=answer.status)
    return judged


def meta_client(
    configuration: Mapping[str, Any], secrets: Mapping[str, str], transport: httpx.AsyncBaseTransport
) -> httpx.AsyncClient:
    """A pool for the Graph API. The token goes in a header, which no record and no log of addresses has."""
    headers = {"Authorization": f"Bearer {secrets['access_token']}", "User-Agent": "EchoLead"}
    return httpx.AsyncClient(
        base_url=f"{configuration['base_url']}/", headers=headers, timeout=TIMEOUT, transport=transport
    )


PLATFORMS: Mapping[str, AdPlatform] = {
    "google_ads": AdPlatform(google_client, judge_google, requests_per_second=2.0),
    "meta_ads": AdPlatform(meta_client, judge_graph, requests_per_second=1.0),
}


def _error(content: Any) -> Mapping[str, Any]:
    found = content[0] if isinstance(content, list) and content else content
    error = found.get("error") if isinstance(found, dict) else None
    return error if isinstance(error, dict) else {}


def _retry_delay(error: Mapping[str, Any]) -> float | None:
    for detail in error.get("details") or ():
        for each in [detail, *(detail.get("errors") or ())]:
            quota = (each.get("details") or {}).get("quotaErrorDetails") if isinstance(each, dict) else None
            said = str((quota or each).get("retryDelay") or "").removesuffix("s")
            if said.replace(".", "", 1).isdecimal():
                return float(said)
    return None
