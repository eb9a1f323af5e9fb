"""The signed-in user, for parts without users of their own: they ask the API, with the cookie of the request."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from uuid import UUID

import httpx

from echolead.security import SignedIn
from echolead.settings import Settings

SESSION_COOKIE = "echolead_session"
DEVICE_COOKIE = "echolead_device"
TIMEOUT_SECONDS = 5.0
TOKEN = re.compile(r"[A-Za-z0-9._-]{1,4096}")


class NotSignedIn(Exception):
    """The request has no valid session."""


class NoSession(NotSignedIn):
    """There is no session cookie."""


class SessionEnded(NotSignedIn):
    """The session has expired or was ended, or its user may no longer sign in."""


class SeveralSessions(NotSignedIn):
    """There are several session cookies: one may have been planted from a neighbouring host or path."""


class ApiUnavailable(Exception):
    """The API did not answer; until it does, every request counts as not signed in."""


def cookie_name(plain: str, console_url: str) -> str:
    """The name of a cookie: with `__Host-` if the console is served over https.

    A browser accepts a cookie with that prefix only from the same host over https, so that no other host can set it.
    The prefix requires `Secure`, which Safari refuses from `http://localhost`.
    """
    return f"__Host-{plain}" if console_url.startswith("https://") else plain


def cookies_named(name: str, headers: Iterable[str]) -> list[str]:
    """Every value of `name` in a request's Cookie headers, in their order."""
    pairs = (pair.strip().partition("=") for header in headers for pair in header.split(";"))
    return [value.strip() for key, _, value in pairs if key.strip() == name]


class WhoIs:
    """Asks the API for the user of a session cookie, with their current roles. Thread-safe."""

    def __init__(self, api_url: str, console_url: str) -> None:
        self.api_url = api_url.rstrip("/")
        self._url = f"{self.api_url}/v1/me"
        self._cookie = cookie_name(SESSION_COOKIE, console_url)
        # The API is on the internal network: the environment's proxies are for other hosts.
        self._client = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)

    @classmethod
    def of(cls, settings: Settings) -> "WhoIs":
        """Made from the settings."""
        return cls(settings.api_url or settings.collector_url, settings.console_url)

    def signed_in(self, cookie_headers: Sequence[str]) -> SignedIn:
        """The user of a request with these Cookie headers. Raises `NotSignedIn`, `ApiUnavailable`."""
        return self._ask(self.token(cookie_headers))

    def token(self, cookie_headers: Sequence[str]) -> str:
        """The session's token, with which the API does what its user asks for. Raises `NotSignedIn`."""
        tokens = cookies_named(self._cookie, cookie_headers)
        if not tokens:
            raise NoSession("No session cookie was sent.")
        if len(tokens) > 1:
            raise SeveralSessions(f"{len(tokens)} cookies are named {self._cookie}.")
        if TOKEN.fullmatch(tokens[0]) is None:
            raise SessionEnded("The cookie holds no token.")
        return tokens[0]

    async def signed_in_async(self, cookie_headers: Sequence[str]) -> SignedIn:
        """As `signed_in`, for event loops."""
        return await asyncio.to_thread(self.signed_in, cookie_headers)

    def _ask(self, token: str) -> SignedIn:
        try:
            answer = self._client.get(self._url, headers={"Authorization": f"Bearer {token}"})
        except httpx.HTTPError as error:
            raise ApiUnavailable(f"{self._url} does not answer: {error}") from error
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise SessionEnded("The API knows no such session.")
        if answer.status_code != httpx.codes.OK:
            raise ApiUnavailable(f"{self._url} answers {answer.status_code}.")
        try:
            user = answer.json()
            return SignedIn(
                user_id=UUID(user["user_id"]),
                email=str(user["email"]),
                name=str(user["name"]),
                is_superuser=user["is_superuser"] is True,
                tenants={str(tenant): str(role) for tenant, role in user["tenants"].items()},
                installation_role=user["installation_role"],
                language=str(user.get("language", "")),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ApiUnavailable(f"{self._url} answers something else than a user.") from error
