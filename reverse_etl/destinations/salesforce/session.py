"""The access token of an org: asked for at the first call and again when Salesforce says that it ended.

Salesforce's token answers name no time at which a token ends; any call can be the first that is refused.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping

import httpx

from reverse_etl.errors import Misconfigured, OutcomeUnknown, Unavailable


class Session(httpx.Auth):
    """Puts the access token on calls. One call at a time asks for a new one; the others wait and use it."""

    def __init__(self, token_url: str, form: Mapping[str, str]) -> None:
        self._token_url = token_url
        self._form = dict(form)
        self._token = ""
        self._lock = asyncio.Lock()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request with the token, and once more with a new one when it is refused.

        Raises `Misconfigured` when the client or its secret is refused, `Unavailable` when no token is to be had now.
        """
        refused = ""
        for _ in range(2):
            async with self._lock:
                if self._token == refused:
                    answer = yield httpx.Request("POST", self._token_url, data=self._form)
                    await answer.aread()
                    self._token = _token_of(answer)
            token = self._token
            request.headers["Authorization"] = f"Bearer {token}"
            response = yield request
            if response.status_code != 401:
                return
            refused = token


def _token_of(answer: httpx.Response) -> str:
    try:
        content = answer.json()
    except ValueError:
        content = None
    said = content if isinstance(content, dict) else {}
    if answer.status_code == 200 and said.get("access_token"):
        return str(said["access_token"])
    reason = f"{said.get('error', answer.status_code)}: {said.get('error_description', 'no access token')}"
    if answer.status_code in (400, 401, 403):
        raise Misconfigured(f"Salesforce gives no access token ({reason}).")
    if answer.status_code == 429 or answer.status_code >= 500:
        raise Unavailable(f"Salesforce gives no access token now ({reason}).")
    raise OutcomeUnknown(f"Salesforce gives no access token ({reason}).")
