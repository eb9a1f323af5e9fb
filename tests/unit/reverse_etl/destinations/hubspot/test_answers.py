"""HubSpot's answers and limits."""

from typing import Any

import httpx
import pytest

from echolead.demo.hubspot import HubSpotLimits
from reverse_etl.calls import Allowance, Reply
from reverse_etl.destinations.hubspot import HubSpot
from reverse_etl.errors import (
    DeliveryFailed,
    Misconfigured,
    OutcomeUnknown,
    Postponed,
    Rejected,
    Unavailable,
)
from tests.fixtures.demo_hubspot import LEAD, TOKEN, HubSpotAccount


def answer(status: int, headers: dict[str, str] | None = None, **content: Any) -> Reply:
    text = httpx.Response(status, json=content).text
    return Reply(status, httpx.Headers(headers or {}), text, text)


@pytest.mark.parametrize(
    ("status", "headers", "content", "expected", "seconds"),
    [
        pytest.param(429, {}, {"policyName": "DAILY"}, Unavailable, 3600, id="the day is used up"),
        pytest.param(429, {}, {"policyName": "TEN_SECONDLY_ROLLING"}, Unavailable, 10, id="ten seconds are used up"),
        pytest.param(429, {}, {"policyName": "SECONDLY"}, Unavailable, 1, id="a second is used up"),
        pytest.param(429, {"Retry-After": "7"}, {}, Unavailable, 7, id="a delay after all"),
        pytest.param(423, {}, {"message": "locked"}, Postponed, 2, id="locked"),
        pytest.param(477, {"Retry-After": "900"}, {}, Unavailable, 900, id="moving"),
        pytest.param(401, {}, {"category": "EXPIRED_AUTHENTICATION"}, Misconfigured, None, id="token expired"),
        pytest.param(403, {}, {"category": "MISSING_SCOPES"}, Misconfigured, None, id="scope missing"),
        pytest.param(400, {}, {"category": "VALIDATION_ERROR"}, Rejected, None, id="not valid"),
        pytest.param(409, {}, {"category": "CONFLICT"}, Rejected, None, id="conflict"),
        pytest.param(502, {}, {}, OutcomeUnknown, None, id="gateway"),
        pytest.param(503, {}, {}, Unavailable, None, id="not available"),
    ],
)
def test_an_answer_is_judged_by_hubspots_own_words(
    status: int, headers: dict[str, str], content: dict[str, Any], expected: type[DeliveryFailed], seconds: float | None
) -> None:
    error = HubSpot.of({}, {"access_token": TOKEN}, str).judge(answer(status, headers, **content))
    assert type(error) is expected
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, [], id="search"),
        pytest.param(
            {"Remaining": "7", "Interval-Milliseconds": "10000", "Max": "100"},
            [Allowance(7, 10.0, 100)],
            id="ten seconds",
        ),
        pytest.param({"Remaining": "7"}, [Allowance(7, 10.0)], id="no interval named"),
        pytest.param(
            {"Daily": "650000", "Daily-Remaining": "999"},
            [Allowance(999, 3600.0, 650000, is_daily=True)],
            id="the day",
        ),
    ],
)
def test_the_headers_say_what_is_left(headers: dict[str, str], expected: list[Allowance]) -> None:
    told = httpx.Headers({f"X-HubSpot-RateLimit-{name}": value for name, value in headers.items()})
    assert HubSpot.of({}, {"access_token": TOKEN}, str).allowance(told) == expected


async def test_calls_pause_before_hubspot_refuses_one(hubspot: HubSpotAccount) -> None:
    account = hubspot
    account.app.state.limits = HubSpotLimits(burst=3)
    await account.deliver_all(LEAD)  # three calls
    assert account.connection.pace.seconds_left > 5
    assert account.app.state.limits.refused == 0
