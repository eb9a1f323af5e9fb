"""OAuth: how access tokens are got, used, renewed and refused."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from reverse_etl.calls import Calls, LaneConnection
from reverse_etl.errors import Misconfigured, Rejected, Unavailable
from reverse_etl.pace import Breaker, Pace
from reverse_etl.tokens import Grant, OAuth, Tokens, assertion, client_credentials, refresh_token

SECRETS = {"client_id": "the-client", "client_secret": "the-client-secret", "refresh_token": "refresh-0"}


class Account:
    """A product that replaces the refresh token at every use, and knows the access token it gave last."""

    def __init__(self, **answer: Any) -> None:
        self.answer = answer
        self.asked: list[dict[str, str]] = []
        self.calls: list[str] = []
        self.access_token = "none yet"
        self.refresh_token = "refresh-0"
        self.refusal: httpx.Response | None = None
        self.lacks_rights = False
        self.repeats_token = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return self._token(request)
        self.calls.append(request.headers["Authorization"])
        if self.repeats_token:
            return httpx.Response(422, text=request.headers["Authorization"].removeprefix("Bearer "))
        is_known = not self.lacks_rights and request.headers["Authorization"] == f"Bearer {self.access_token}"
        return httpx.Response(200, json={"id": 1}) if is_known else httpx.Response(401, json={"message": "expired"})

    def _token(self, request: httpx.Request) -> httpx.Response:
        is_json = request.headers["Content-Type"] == "application/json"
        body = json.loads(request.content) if is_json else dict(parse_qsl(request.content.decode()))
        self.asked.append(body)
        if self.refusal is not None:
            return self.refusal
        if body.get("refresh_token", self.refresh_token) != self.refresh_token:
            return httpx.Response(400, json={"error": "invalid_grant", "error_description": f"{body}"})
        self.access_token = f"access-{len(self.asked)}"
        if "refresh_token" not in self.answer:
            self.refresh_token = f"refresh-{len(self.asked)}"
        answer = {"access_token": self.access_token, "refresh_token": self.refresh_token, **self.answer}
        return httpx.Response(200, json=answer)


class Store:
    """The tokens of all engines, in memory."""

    def __init__(self) -> None:
        self.tokens: Tokens = {}
        self.is_held = False

    async def take(self) -> Tokens | None:
        if self.is_held:
            return None
        self.is_held = True
        return self.tokens

    async def keep(self, tokens: Tokens) -> None:
        self.tokens = tokens

    async def release(self) -> None:
        self.is_held = False


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def calls_of(
    account: Account,
    grant: Grant | None = None,
    *,
    store: Store | None = None,
    clock: Clock | None = None,
    secrets: Mapping[str, str] = SECRETS,
    is_json: bool = False,
) -> Calls:
    transport = httpx.MockTransport(account)
    auth = OAuth(
        transport,
        "https://crm.test/token",
        grant or refresh_token(),
        secrets,
        is_json=is_json,
        clock=clock or Clock(),
    )
    auth.store = store or Store()
    client = httpx.AsyncClient(auth=auth, transport=transport, base_url="https://crm.test/")
    breaker = Breaker(threshold=100, cooldown_seconds=0, longest_seconds=0)
    return Calls(LaneConnection(client, Pace(1e6, 1000), breaker))


async def ask(calls: Calls) -> Any:
    return await calls.ask("show", "GET", "leads/1")


@pytest.mark.parametrize(
    ("grant", "asked"),
    [
        pytest.param(
            client_credentials(scope="crm"),
            {"grant_type": "client_credentials", "scope": "crm", "client_id": "the-client"},
            id="client credentials",
        ),
        pytest.param(
            refresh_token(), {"grant_type": "refresh_token", "refresh_token": "refresh-0"}, id="a refresh token"
        ),
        pytest.param(
            assertion(lambda: "signed"),
            {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "signed"},
            id="a service account",
        ),
    ],
)
@pytest.mark.parametrize("is_json", [False, True])
async def test_a_token_is_asked_for_once_and_signs_every_call(
    grant: Grant, asked: dict[str, str], is_json: bool
) -> None:
    account = Account()
    calls = calls_of(account, grant, is_json=is_json)

    for _ in range(3):
        assert await ask(calls) == {"id": 1}

    assert len(account.asked) == 1
    assert asked.items() <= account.asked[0].items()
    assert account.calls == ["Bearer access-1"] * 3


async def test_a_token_that_is_about_to_end_is_renewed_before_the_call() -> None:
    account, clock = Account(expires_in="3600"), Clock()
    calls = calls_of(account, clock=clock)
    await ask(calls)

    clock.now += 3500
    await ask(calls)
    clock.now += 100
    await ask(calls)

    assert account.calls == ["Bearer access-1", "Bearer access-1", "Bearer access-2"]
    assert [asked["refresh_token"] for asked in account.asked] == ["refresh-0", "refresh-1"]


async def test_a_token_without_an_end_is_renewed_when_it_is_refused_and_the_call_is_repeated() -> None:
    account = Account()
    calls = calls_of(account)
    await ask(calls)
    account.access_token = "taken back"

    assert await ask(calls) == {"id": 1}

    assert account.calls == ["Bearer access-1", "Bearer access-1", "Bearer access-2"]
    assert [call.outcome for call in calls.recorded] == ["ok", "ok"]


@pytest.mark.parametrize("lifetime", [0, "-1", "soon", None])
async def test_a_lifetime_that_says_nothing_is_none(lifetime: Any) -> None:
    account = Account(expires_in=lifetime)
    calls = calls_of(account)
    for _ in range(2):
        await ask(calls)

    assert len(account.asked) == 1


async def test_a_refresh_token_that_is_not_replaced_stays_in_use() -> None:
    """The product replaced the operator's refresh token once, and gives no other one since."""
    account, clock = Account(expires_in=100), Clock()
    calls = calls_of(account, clock=clock)
    await ask(calls)
    account.answer = {"expires_in": 100, "refresh_token": ""}
    for _ in range(2):
        clock.now += 100
        await ask(calls)

    assert [asked["refresh_token"] for asked in account.asked] == ["refresh-0", "refresh-1", "refresh-1"]


async def test_a_call_that_is_refused_twice_is_a_misconfiguration() -> None:
    """The renewed token lacks a right: it is not renewed again and again."""
    account = Account()
    account.lacks_rights = True
    calls = calls_of(account)

    with pytest.raises(Misconfigured):
        await ask(calls)

    assert len(account.asked) == 2


async def test_many_calls_at_once_renew_once() -> None:
    account = Account()
    calls = calls_of(account)

    await asyncio.gather(*(ask(calls) for _ in range(10)))

    assert len(account.asked) == 1


async def test_another_engine_uses_the_token_that_the_first_got() -> None:
    account, store = Account(expires_in=3600), Store()

    await ask(calls_of(account, store=store))
    await ask(calls_of(account, store=store))

    assert len(account.asked) == 1


async def test_an_engine_waits_for_the_one_that_renews(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reverse_etl.tokens.LOOK_SECONDS", 0.001)
    account, store = Account(expires_in=3600), Store()
    store.is_held = True
    waiting = asyncio.create_task(ask(calls_of(account, store=store)))
    await asyncio.sleep(0.01)
    assert account.asked == []

    other = calls_of(account, store=Store())
    await ask(other)
    store.tokens = other.connection.client.auth.store.tokens  # type: ignore[union-attr]  # an OAuth with a Store
    store.is_held = False

    assert await waiting == {"id": 1}
    assert len(account.asked) == 1


async def test_a_right_that_is_never_given_back_makes_the_destination_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reverse_etl.tokens.LOOK_SECONDS", 0.0)
    store = Store()
    store.is_held = True

    with pytest.raises(Unavailable, match="renewing"):
        await ask(calls_of(Account(), store=store))


async def test_an_account_that_is_connected_anew_does_not_use_the_old_tokens() -> None:
    account, store = Account(expires_in=3600), Store()
    await ask(calls_of(account, store=store))
    account.refresh_token = "entered by the operator"

    await ask(calls_of(account, store=store, secrets={**SECRETS, "refresh_token": "entered by the operator"}))

    assert [asked["refresh_token"] for asked in account.asked] == ["refresh-0", "entered by the operator"]


@pytest.mark.parametrize(
    ("refusal", "failure"),
    [
        pytest.param(httpx.Response(400, json={"error": "invalid_grant"}), Misconfigured, id="the grant is refused"),
        pytest.param(httpx.Response(401, text="no"), Misconfigured, id="the client is refused"),
        pytest.param(httpx.Response(200, text="<html>"), Misconfigured, id="an answer without a token"),
        pytest.param(httpx.Response(429), Unavailable, id="too many requests"),
        pytest.param(httpx.Response(502), Unavailable, id="a server error"),
    ],
)
async def test_a_renewal_that_fails_sends_nothing_and_gives_the_right_back(
    refusal: httpx.Response, failure: type[Exception]
) -> None:
    account, store = Account(), Store()
    account.refusal = refusal
    calls = calls_of(account, store=store)

    with pytest.raises(failure):
        await ask(calls)

    assert (account.calls, store.is_held) == ([], False)
    (call,) = calls.recorded
    assert call.error_class == failure.__name__


@pytest.mark.parametrize("grant", [refresh_token(), assertion(lambda: "the-signed-assertion")])
async def test_no_secret_is_in_what_is_said_of_a_refused_renewal(grant: Grant) -> None:
    secrets = (*SECRETS.values(), "the-signed-assertion")
    account = Account()
    account.refusal = httpx.Response(
        400, text=f"invalid_grant of {' and '.join(sorted(set(grant(SECRETS).values())))}."
    )
    calls = calls_of(account, grant)

    with pytest.raises(Misconfigured, match="invalid_grant") as caught:
        await ask(calls)

    assert not any(secret in f"{caught.value}{calls.recorded}" for secret in secrets)


async def test_an_access_token_that_the_product_repeats_is_not_recorded() -> None:
    account = Account()
    account.repeats_token = True
    calls = calls_of(account)

    with pytest.raises(Rejected):
        await ask(calls)

    assert "access-1" not in str(calls.recorded)
