"""The outcome of each answer, and of each missing answer."""

from collections.abc import Callable

import httpx
import pytest

from echolead.outbound import GuardedTransport
from reverse_etl.calls import ANSWER_KEPT_CHARACTERS, ANSWER_READ_BYTES, Allowance, Calls, LaneConnection, retry_after
from reverse_etl.errors import DeliveryFailed, Misconfigured, NotThere, OutcomeUnknown, Rejected, Unavailable
from reverse_etl.pace import Breaker, Pace

SECRET = "s3cr3t-token-of-the-account"
Handler = Callable[[httpx.Request], httpx.Response]


def calls_to(handler: Handler | httpx.AsyncBaseTransport) -> Calls:
    transport = handler if isinstance(handler, httpx.AsyncBaseTransport) else httpx.MockTransport(handler)
    client = httpx.AsyncClient(
        transport=transport, base_url="https://chatwoot.test/", headers={"api_access_token": SECRET}
    )
    breaker = Breaker(threshold=100, cooldown_seconds=10, longest_seconds=10)
    return Calls(LaneConnection(client, Pace(1e6, 1000), breaker, secrets=(SECRET,)))


def answering(status: int, **rest: object) -> Handler:
    return lambda _: httpx.Response(status, **rest)  # type: ignore[arg-type]  # keyword arguments of Response


def failing(error: type[httpx.TransportError]) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error("broken", request=request)

    return handler


@pytest.mark.parametrize(
    ("handler", "failure", "outcome"),
    [
        pytest.param(answering(422, json={"message": "no"}), Rejected, "rejected", id="a refusal"),
        pytest.param(answering(404), NotThere, "rejected", id="not there"),
        pytest.param(answering(401), Misconfigured, "misconfigured", id="a refused token"),
        pytest.param(answering(302, headers={"Location": "/x"}), Misconfigured, "misconfigured", id="a redirect"),
        pytest.param(answering(429), Unavailable, "unavailable", id="too many requests"),
        pytest.param(answering(503), Unavailable, "unavailable", id="unavailable"),
        pytest.param(failing(httpx.ConnectError), Unavailable, "unavailable", id="no connection"),
        pytest.param(failing(httpx.ConnectTimeout), Unavailable, "unavailable", id="no connection in time"),
        pytest.param(answering(500), OutcomeUnknown, "unknown", id="a server error"),
        pytest.param(answering(504), OutcomeUnknown, "unknown", id="a gateway time-out"),
        pytest.param(failing(httpx.ReadTimeout), OutcomeUnknown, "unknown", id="no answer in time"),
        pytest.param(failing(httpx.RemoteProtocolError), OutcomeUnknown, "unknown", id="a cut connection"),
        pytest.param(answering(200, text="<html>"), OutcomeUnknown, "unknown", id="an answer that is not JSON"),
        pytest.param(answering(200, content=b"1" * (ANSWER_READ_BYTES + 1)), OutcomeUnknown, "unknown", id="endless"),
    ],
)
async def test_outcomes(handler: Handler, failure: type[DeliveryFailed], outcome: str) -> None:
    calls = calls_to(handler)

    with pytest.raises(failure) as caught:
        await calls.ask("create", "POST", "contacts", body={"name": "Ana"}, is_safe_to_repeat=False)

    assert type(caught.value) is failure
    (exchange,) = calls.recorded
    assert (exchange.outcome, exchange.error_class) == (outcome, failure.__name__)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param("30", 30, id="seconds"),
        pytest.param("1.5", 1.5, id="parts of a second"),
        pytest.param("Wed, 21 Oct 2015 07:28:00 GMT", 0, id="a date that is over"),
        pytest.param("99999999", 3600, id="longer than we wait"),
        pytest.param("soon", None, id="a word"),
    ],
)
async def test_a_busy_destination_is_unavailable_for_as_long_as_it_says(header: str, seconds: float | None) -> None:
    calls = calls_to(answering(429, headers={"Retry-After": header}))

    with pytest.raises(Unavailable) as caught:
        await calls.ask("show", "GET", "contacts/1")

    assert caught.value.retry_after == seconds


async def test_a_product_may_call_its_header_something_else() -> None:
    headers = httpx.Headers({"retry-after-quotas": "12"})

    assert (retry_after(headers), retry_after(headers, "retry-after-quotas")) == (None, 12)


async def test_a_long_wait_is_left_to_the_ledger_and_ends_with_a_probe() -> None:
    """With a thousand leads waiting for a new day, each would else call once more to hear the same."""
    calls = calls_to(answering(429, headers={"Retry-After": "99999"}))
    with pytest.raises(Unavailable):
        await calls.ask("show", "GET", "contacts/1")

    for _ in range(3):
        with pytest.raises(Unavailable, match="suspended") as caught:
            await calls.ask("show", "GET", "contacts/1")

    assert caught.value.retry_after == pytest.approx(3600, abs=5)
    assert len(calls.recorded) == 1


async def test_a_call_does_not_wait_for_longer_than_its_attempt_has() -> None:
    """It would be cut off by the time limit, and count as one whose outcome is unknown although nothing was sent."""
    calls = calls_to(answering(200))
    calls.connection.pace.pause(60)

    with pytest.raises(Unavailable) as caught:
        await calls.ask("create", "POST", "contacts", body={})

    assert caught.value.retry_after == pytest.approx(60, abs=1)
    assert calls.recorded == []


async def test_what_the_headers_say_is_left_is_kept_to_of_each_limit() -> None:
    calls = calls_to(answering(200))
    calls.connection.allowance = lambda _: (Allowance(0, 5.0), Allowance(7, 3600.0, limit=100, is_daily=True))

    await calls.ask("show", "GET", "contacts/1")

    assert calls.connection.pace.seconds_left == pytest.approx(5, abs=0.5)
    assert (calls.connection.quota.is_short, calls.connection.quota.is_spent) == (True, False)


async def test_an_unknown_outcome_is_repeated_when_the_call_is_safe_and_each_try_is_recorded() -> None:
    answers = iter([httpx.Response(500), httpx.Response(502), httpx.Response(200, json={"id": 1})])
    calls = calls_to(lambda _: next(answers))

    assert await calls.ask("show", "GET", "contacts/1") == {"id": 1}
    assert [exchange.outcome for exchange in calls.recorded] == ["unknown", "unknown", "ok"]


async def test_a_creation_is_never_repeated_here() -> None:
    calls = calls_to(answering(500))

    with pytest.raises(OutcomeUnknown):
        await calls.ask("create", "POST", "contacts", body={}, is_safe_to_repeat=False)

    assert len(calls.recorded) == 1


async def test_no_secret_is_recorded_and_a_long_answer_is_cut() -> None:
    calls = calls_to(answering(422, text=f"token {SECRET} \x00 " + "x" * 10_000))

    with pytest.raises(Rejected):
        await calls.ask("create", "POST", "contacts", body={"note": f"Bearer {SECRET}", "password": "hunter2"})

    (exchange,) = calls.recorded
    assert SECRET not in str(exchange)
    assert "hunter2" not in str(exchange)
    assert "\x00" not in (exchange.response or "")
    assert len(exchange.response or "") <= ANSWER_KEPT_CHARACTERS


async def test_a_secret_cut_by_the_size_limit_of_an_answer_is_left_out_whole() -> None:
    padding = "x" * (ANSWER_KEPT_CHARACTERS - len(SECRET) // 2)
    calls = calls_to(answering(422, text=f"{padding}{SECRET}{padding}"))

    with pytest.raises(Rejected):
        await calls.ask("create", "POST", "contacts", body={})

    (call,) = calls.recorded
    assert call.response == f"{padding}[redacted]{padding}"[:ANSWER_KEPT_CHARACTERS]


@pytest.mark.parametrize("status", [200, 401, 404, 422, 500])
async def test_no_secret_of_an_answer_is_in_the_sentence_of_its_failure(status: int) -> None:
    """The ledger keeps the sentence as `last_error`, and the console shows it."""
    calls = calls_to(answering(status, text=f"the token {SECRET} is not allowed"))

    with pytest.raises(DeliveryFailed, match="is not allowed") as caught:
        await calls.ask("create", "POST", "contacts", body={}, is_safe_to_repeat=False)

    assert SECRET not in str(caught.value)


async def test_a_refused_token_opens_the_breaker_at_once_and_nothing_more_is_sent() -> None:
    calls = calls_to(answering(401))
    with pytest.raises(Misconfigured):
        await calls.ask("show", "GET", "contacts/1")

    with pytest.raises(Unavailable, match="suspended") as caught:
        await calls.ask("show", "GET", "contacts/1")

    assert len(calls.recorded) == 1
    assert caught.value.retry_after == pytest.approx(11, abs=1.1)


async def test_an_address_on_a_private_network_is_a_misconfiguration() -> None:
    async def metadata(_host: str, _port: int) -> list[str]:
        return ["169.254.169.254"]

    calls = calls_to(GuardedTransport(allow_private=False, resolve=metadata))

    with pytest.raises(Misconfigured):
        await calls.ask("show", "GET", "contacts/1")
