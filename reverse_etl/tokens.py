"""OAuth 2.0 for destinations: an access token is got, shared by all engines, and renewed before it ends.

A product makes an `OAuth` in `Destination.client` and gives it to its pool as `auth`; the engine gives it the store
that all engines share. One engine renews at a time, as a refresh token that is used twice is refused by products that
replace it at every use (RFC 6749, section 6).
"""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Protocol

import httpx

from echolead.security import redact_text
from reverse_etl.errors import Misconfigured, Unavailable

TIMEOUT = httpx.Timeout(connect=5.0, read=10.0, write=5.0, pool=5.0)
# An access token that ends within this time is renewed first: it must last for the call and for a slow clock.
LEEWAY_SECONDS = 60.0
LOOK_SECONDS = 0.2
LOOKS = 50
"""How often it is looked whether another engine is done with renewing."""

Tokens = Mapping[str, Any]
Grant = Callable[[Mapping[str, str]], Mapping[str, str]]
"""The body of a token request, from the destination's secrets with the refresh token that is good now."""


class TokenStore(Protocol):
    """Where the tokens of one destination lie, encrypted, for all engines."""

    async def take(self) -> Tokens | None:
        """The right to renew the tokens, and those that are stored; None while another engine has it."""

    async def keep(self, tokens: Tokens) -> None:
        """Store new tokens."""

    async def release(self) -> None:
        """Give the right back."""


def client_credentials(**more: str) -> Grant:
    """RFC 6749, 4.4; `more` is what the product wants besides, such as `scope`. Secrets: client_id, client_secret."""
    return lambda secrets: {"grant_type": "client_credentials", **_client(secrets), **more}


def refresh_token(**more: str) -> Grant:
    """RFC 6749, 6. Secrets: client_id, client_secret, refresh_token."""
    return lambda secrets: {
        "grant_type": "refresh_token",
        **_client(secrets),
        "refresh_token": secrets["refresh_token"],
        **more,
    }


def assertion(sign: Callable[[], str]) -> Grant:
    """RFC 7523: a service account. `sign` makes the signed token anew at each renewal."""
    return lambda _: {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": sign()}


class OAuth(httpx.Auth):
    """Puts `Authorization: Bearer …` on the calls of a destination; a call that is answered 401 is repeated once.

        httpx.AsyncClient(auth=OAuth(transport, TOKEN_URL, refresh_token(), self._secrets), transport=transport, …)

    `is_json` sends the token request as JSON instead of a form. A token without `expires_in` is used until it is
    refused. A call raises `Misconfigured` when the product refuses to renew, `Unavailable` when it does not answer.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        token_url: str,
        grant: Grant,
        secrets: Mapping[str, str],
        *,
        is_json: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store: TokenStore = _Unshared()
        self._client = httpx.AsyncClient(transport=transport, timeout=TIMEOUT)
        self._token_url = token_url
        self._grant = grant
        self._secrets = secrets
        self._is_json = is_json
        self._clock = clock
        self._tokens: Tokens = {}
        self._lock = asyncio.Lock()
        # Tokens that come from other secrets are not used: the operator has connected the account anew.
        self._origin = hashlib.sha256(json.dumps(dict(secrets), sort_keys=True).encode()).hexdigest()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The tokens in use, to be left out of all records."""
        return tuple(str(self._tokens[name]) for name in ("access_token", "refresh_token") if self._tokens.get(name))

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Sign the request; after a 401 once more, with a renewed token."""
        token = await self._access_token(refused="")
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == 401:
            request.headers["Authorization"] = f"Bearer {await self._access_token(refused=token)}"
            yield request

    async def _access_token(self, *, refused: str) -> str:
        async with self._lock:
            if not self._is_good(self._tokens, refused):
                self._tokens = await self._renewed(refused)
            return str(self._tokens["access_token"])

    def _is_good(self, tokens: Tokens, refused: str) -> bool:
        ends_at = tokens.get("ends_at")
        is_over = ends_at is not None and ends_at < self._clock() + LEEWAY_SECONDS
        return bool(tokens.get("access_token")) and tokens["access_token"] != refused and not is_over

    async def _renewed(self, refused: str) -> Tokens:
        kept = await self._turn()
        try:
            if kept.get("origin") != self._origin:
                kept = {}
            if not self._is_good(kept, refused):  # else another engine has renewed them meanwhile
                kept = await self._ask(kept)
                await self.store.keep(kept)
            return kept
        finally:
            await self.store.release()

    async def _turn(self) -> Tokens:
        for _ in range(LOOKS):
            kept = await self.store.take()
            if kept is not None:
                return kept
            await asyncio.sleep(LOOK_SECONDS)
        raise Unavailable("Another engine is renewing the access token.")

    async def _ask(self, kept: Tokens) -> Tokens:
        secrets = dict(self._secrets)
        if kept.get("refresh_token"):
            secrets["refresh_token"] = str(kept["refresh_token"])
        body = dict(self._grant(secrets))
        hidden = (*secrets.values(), body.get("assertion", ""))
        try:
            response = await (
                self._client.post(self._token_url, json=body)
                if self._is_json
                else self._client.post(self._token_url, data=body)
            )
        except httpx.TransportError as error:
            raise Unavailable(f"The access token cannot be renewed: {error or type(error).__name__}") from error
        answer = _read(response, hidden)
        renewed: dict[str, Any] = {
            "origin": self._origin,
            "access_token": str(answer["access_token"]),
            "refresh_token": str(answer.get("refresh_token") or kept.get("refresh_token") or ""),
        }
        lifetime = _seconds(answer.get("expires_in"))
        return renewed if lifetime is None else {**renewed, "ends_at": self._clock() + lifetime}


class _Unshared:
    """The store of a client that no engine runs, such as a test of the account: it remembers nothing."""

    async def take(self) -> Tokens | None:
        return {}

    async def keep(self, tokens: Tokens) -> None:
        """Not kept."""

    async def release(self) -> None:
        """Nothing to give back."""


def _client(secrets: Mapping[str, str]) -> dict[str, str]:
    return {"client_id": secrets["client_id"], "client_secret": secrets["client_secret"]}


def _read(response: httpx.Response, hidden: tuple[str, ...]) -> Mapping[str, Any]:
    """The answer of the token endpoint. Raises what another one stands for, without the secrets in it."""
    status = response.status_code
    if status == 429 or status >= 500:
        raise Unavailable(f"The access token cannot be renewed: the token address answers {status}.")
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if status == 200 and isinstance(answer, dict) and answer.get("access_token"):
        return answer
    said = redact_text(response.text[:2000], hidden)[:300] if status != 200 else "no access token in the answer"
    raise Misconfigured(f"The access token cannot be renewed ({status}): {said} Connect the account anew.")


def _seconds(stated: Any) -> float | None:
    """A lifetime; some products state it as text, and one that is not positive says nothing."""
    try:
        seconds = float(stated)
    except (TypeError, ValueError):
        return None
    return seconds if seconds > 0 else None
