"""Pipedrive's answers and limits."""

import httpx
import pytest

from echolead.demo.pipedrive import PipedriveLimits
from reverse_etl.calls import Reply
from reverse_etl.destinations.pipedrive import Pipedrive
from reverse_etl.errors import (
    DeliveryFailed,
    Misconfigured,
    OutcomeUnknown,
    Rejected,
    Unavailable,
)
from tests.fixtures.demo_pipedrive import TOKEN, PipedriveAccount


def answer(status: int, headers: dict[str, str] | None = None, text: str = "{}") -> Reply:
    return Reply(status, httpx.Headers(headers or {}), text, text)


@pytest.mark.parametrize(
    ("status", "headers", "text", "expected", "seconds"),
    [
        pytest.param(429, {"x-ratelimit-reset": "2"}, "{}", Unavailable, 2, id="two seconds are used up"),
        pytest.param(429, {"x-ratelimit-reset": "36000"}, "{}", Unavailable, 3600, id="the day is used up"),
        pytest.param(429, {"Retry-After": "10"}, "{}", Unavailable, 10, id="after many refusals"),
        pytest.param(429, {}, "{}", Unavailable, 2, id="no delay named"),
        pytest.param(402, {}, '{"error": "no"}', Misconfigured, None, id="not paid for"),
        pytest.param(403, {}, '{"error": "no", "code": "feature_capping_deals_limit"}', Rejected, None, id="plan"),
        pytest.param(403, {}, '{"error": "scope"}', Misconfigured, None, id="forbidden"),
        pytest.param(403, {}, "<html>1015</html>", Unavailable, 60, id="blocked"),
        pytest.param(401, {}, '{"error": "unauthorized access"}', Misconfigured, None, id="token"),
        pytest.param(400, {}, '{"error": "Name must be given."}', Rejected, None, id="not valid"),
        pytest.param(500, {}, "{}", OutcomeUnknown, None, id="server error"),
    ],
)
def test_an_answer_is_judged(
    status: int, headers: dict[str, str], text: str, expected: type[DeliveryFailed], seconds: float | None
) -> None:
    """A client has to tell the limit of two seconds from that of the day, or it hammers until midnight."""
    error = Pipedrive.of({}, {"api_token": TOKEN}, str).judge(answer(status, headers, text))
    assert type(error) is expected
    assert error.retry_after == seconds


async def test_a_spent_day_is_asked_again_once_an_hour_and_costs_no_try(pipedrive: PipedriveAccount) -> None:
    pipedrive.limits.daily = 0
    with pytest.raises(Unavailable) as caught:
        await pipedrive.deliver()
    assert caught.value.retry_after == 3600
    assert not caught.value.uses_up_tries
    assert pipedrive.connection.pace.reserve() > 3500
    assert pipedrive.limits.refused == 1


async def test_the_headers_slow_down_before_the_first_refusal(pipedrive: PipedriveAccount) -> None:
    pipedrive.app.state.limits = PipedriveLimits(burst=3)
    left = []
    allowance = pipedrive.destination.allowance

    def note(headers: httpx.Headers) -> None:
        found = allowance(headers)
        left.append(found and (found.calls, found.seconds))

    pipedrive.connection.allowance = note  # type: ignore[assignment]  # it only looks
    with pytest.raises(Unavailable):
        await pipedrive.deliver()
    assert left[:3] == [(2, 2.0), (1, 2.0), (0, 2.0)]
