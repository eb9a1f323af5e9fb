"""Who looks at Dagster: asked of the API, with the cookies the browser sent.

Dagster's process can check no session by itself: it holds neither the key of sessions nor an account of the operational
database.
"""

from collections.abc import Sequence
from uuid import UUID

import httpx

from echolead.security import SignedIn
from echolead.settings import Settings

TIMEOUT_SECONDS = 5.0


class NotSignedIn(Exception):
    """The cookies are nobody's."""


class ApiUnavailable(Exception):
    """The API did not say who is signed in: nobody is, until it does."""


class WhoIs:
    """Asks the API at each request, so that a session or role that is taken away is gone at once."""

    def __init__(self, api_url: str) -> None:
        # The API is ours and near: what the environment says of proxies is for others.
        self._client = httpx.AsyncClient(base_url=api_url, timeout=TIMEOUT_SECONDS, trust_env=False)

    @classmethod
    def of(cls, settings: Settings) -> "WhoIs":
        """As the settings say."""
        return cls(settings.api_url or settings.collector_url)

    async def signed_in_async(self, cookie_headers: Sequence[str]) -> SignedIn:
        """Whose the request with these Cookie headers is. Raises `NotSignedIn`, `ApiUnavailable`."""
        cookies = [(b"cookie", header.encode("latin-1")) for header in cookie_headers]
        try:
            answer = await self._client.get("/v1/me", headers=cookies)
        except httpx.HTTPError as error:
            raise ApiUnavailable(f"The API does not answer: {error or type(error).__name__}.") from error
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise NotSignedIn("The API knows no such session.")
        if answer.status_code != httpx.codes.OK:
            raise ApiUnavailable(f"The API answers {answer.status_code}.")
        try:
            return SignedIn(**{**answer.json(), "user_id": UUID(answer.json()["user_id"])})
        except (ValueError, KeyError, TypeError) as error:
            raise ApiUnavailable("The API answers something else than a user.") from error
