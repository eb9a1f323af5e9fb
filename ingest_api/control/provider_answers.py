"""What the identity provider answers: bounded in time and size, and kept for a while where it is the same for all."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import httpx

CALL_SECONDS = 5.0
MAX_ANSWER_BYTES = 256 * 1024
PAUSE_SECONDS = 5.0
"""How long a provider that did not answer is not asked again."""

T = TypeVar("T")


class ProviderUnavailable(Exception):
    """The provider does not answer, or answers something else than OpenID Connect. The message is for the log."""


async def json_answer(
    http: httpx.AsyncClient, request: httpx.Request, auth: httpx.Auth | None = None
) -> tuple[int, dict[str, Any]]:
    """Status and JSON object of an answer. Raises `ProviderUnavailable`, after `CALL_SECONDS` at the latest."""
    place = request.url.copy_with(query=None)
    try:
        async with asyncio.timeout(CALL_SECONDS):
            status, body = await _bounded(http, request, auth)
        document = json.loads(body)
    except TimeoutError as error:
        raise ProviderUnavailable(f"{place} did not answer within {CALL_SECONDS:.0f} seconds.") from error
    except httpx.HTTPError as error:
        raise ProviderUnavailable(f"{place} does not answer: {type(error).__name__} {error}") from error
    except ValueError as error:
        raise ProviderUnavailable(f"{place} answers {status} without JSON.") from error
    if not isinstance(document, dict):
        raise ProviderUnavailable(f"{place} answers {status} with JSON that is no object.")
    return status, document


async def _bounded(http: httpx.AsyncClient, request: httpx.Request, auth: httpx.Auth | None) -> tuple[int, bytes]:
    answer = await http.send(request, auth=auth, stream=True)
    try:
        body = bytearray()
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise ProviderUnavailable(f"{request.url.host} answers more than {MAX_ANSWER_BYTES} bytes.")
        return answer.status_code, bytes(body)
    finally:
        await answer.aclose()


class KeptAnswer(Generic[T]):
    """An answer that all sign-ins share. One request asks for it, the others wait for that one.

    After a failure nobody asks again for `PAUSE_SECONDS`, so that a provider that is down costs each sign-in nothing.
    """

    def __init__(self, ask: Callable[[], Awaitable[T]], lifetime_seconds: float) -> None:
        self._ask = ask
        self._lifetime = lifetime_seconds
        self._lock = asyncio.Lock()
        self._kept: tuple[float, T] | None = None
        self._failed: tuple[float, str] | None = None

    async def get(self, max_age_seconds: float | None = None) -> T:
        """The answer, not older than its lifetime or `max_age_seconds`. Raises `ProviderUnavailable`."""
        max_age = self._lifetime if max_age_seconds is None else max_age_seconds
        async with self._lock:
            if self._kept is not None and time.monotonic() - self._kept[0] < max_age:
                return self._kept[1]
            if self._failed is not None and time.monotonic() - self._failed[0] < PAUSE_SECONDS:
                raise ProviderUnavailable(self._failed[1])
            try:
                value = await self._ask()
            except ProviderUnavailable as error:
                self._failed = (time.monotonic(), str(error))
                raise
            self._kept, self._failed = (time.monotonic(), value), None
            return value
