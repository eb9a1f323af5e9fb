"""Reading from one Chatwoot account: bounded in time, size and number of calls."""

import asyncio
import json
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from echolead.outbound import GuardedTransport, UnsafeAddress, opened_places
from echolead.settings import Settings

TIMEOUT = httpx.Timeout(connect=5.0, read=10.0, write=10.0, pool=5.0)
CALL_SECONDS = 20.0
ANSWER_BYTES = 8 * 1024 * 1024
TRIES = 3
LONGEST_WAIT_SECONDS = 10.0
PAUSE_SECONDS = 0.5
PASSING = frozenset({429, 500, 502, 503, 504})
DIGITS = re.compile(r"\d{1,6}")

Record = dict[str, Any]


class PullFailed(Exception):
    """An account could not be read; the message is a sentence for the operator, without secrets."""


class CallsUsedUp(Exception):
    """A pull has made all the calls it may make: the next one goes on."""


class AccountReader:
    """The account's API for reading, as the agent whose token it is. It makes at most `most_calls` calls."""

    def __init__(
        self, settings: Settings, configuration: Mapping[str, Any], access_token: str, *, most_calls: int
    ) -> None:
        try:
            self.account_id = int(configuration["account_id"])
            base_url = str(configuration["base_url"]).rstrip("/")
        except (KeyError, TypeError, ValueError) as error:
            raise PullFailed("The destination lacks base_url or account_id: add it again with both.") from error
        if not access_token:
            raise PullFailed("The destination lacks api_access_token: add it again with --secret.")
        self._client = httpx.AsyncClient(
            base_url=f"{base_url}/api/v1/accounts/{self.account_id}/",
            headers={"api_access_token": access_token, "User-Agent": "EchoLead"},
            timeout=TIMEOUT,
            transport=GuardedTransport(
                allow_private=settings.allow_private_destinations, private_places=opened_places(settings)
            ),
        )
        self._calls_left = most_calls

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def conversations(self, page: int) -> list[Record]:
        """One page of all conversations, the most recently active first; 25 as a rule, none behind the last page."""
        answer = await self._get("conversations", status="all", assignee_type="all", page=str(page))
        return _records(answer, "data", "payload")

    async def messages(self, conversation_id: int, after: int) -> list[Record]:
        """The oldest messages of a conversation with a greater id, at most 100."""
        answer = await self._get(f"conversations/{conversation_id}/messages", after=str(after))
        return _records(answer, "payload")

    async def agents(self) -> list[Record]:
        """Everyone who can answer."""
        return _records(await self._get("agents"))

    async def teams(self) -> list[Record]:
        """Every team."""
        return _records(await self._get("teams"))

    async def team_members(self, team_id: int) -> list[Record]:
        """The agents of a team."""
        return _records(await self._get(f"teams/{team_id}/team_members"))

    async def inboxes(self) -> list[Record]:
        """Every inbox that the token's agent sees."""
        return _records(await self._get("inboxes"), "payload")

    async def _get(self, path: str, **params: str) -> Any:
        """The JSON of an answer. Raises `PullFailed`, `CallsUsedUp`.

        A limit, a server's error and a lost connection are tried again, twice at most.
        """
        said = ""
        for tries in range(TRIES):
            if self._calls_left <= 0:
                raise CallsUsedUp
            self._calls_left -= 1
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    status, headers, body = await self._ask(path, params)
            except (UnsafeAddress, httpx.InvalidURL) as error:
                raise PullFailed(str(error)) from error
            except (httpx.TransportError, TimeoutError) as error:
                said, wait = f"no answer ({type(error).__name__})", PAUSE_SECONDS * 2**tries
            else:
                if status not in PASSING:
                    return _content(path, status, body)
                said, wait = f"answer {status}", _pause(headers, tries)
            if tries < TRIES - 1:
                await asyncio.sleep(wait)
        raise PullFailed(f"{path}: {said}, {TRIES} times.")

    async def _ask(self, path: str, params: Mapping[str, str]) -> tuple[int, httpx.Headers, bytes]:
        async with self._client.stream("GET", path, params=params) as response:
            read = bytearray()
            async for chunk in response.aiter_bytes():
                read += chunk
                if len(read) > ANSWER_BYTES:
                    raise PullFailed(f"{path}: the answer is over {ANSWER_BYTES} bytes.")
            return response.status_code, response.headers, bytes(read)


def _pause(headers: httpx.Headers, tries: int) -> float:
    """What the product asks for, within bounds: a pull that has to wait longer ends, and the next one goes on."""
    asked = headers.get("Retry-After", "")
    seconds = float(asked) if DIGITS.fullmatch(asked) else PAUSE_SECONDS * 2**tries
    if seconds > LONGEST_WAIT_SECONDS:
        raise CallsUsedUp
    return seconds


def _content(path: str, status: int, body: bytes) -> Any:
    if status in (401, 403):
        raise PullFailed(f"Chatwoot refuses the token ({status}): set another api_access_token.")
    if status == 404:
        raise PullFailed(f"{path} is not there (404): check base_url and account_id.")
    if status != 200:
        raise PullFailed(f"{path}: answer {status}.")
    try:
        return json.loads(body)
    except ValueError as error:
        raise PullFailed(f"{path}: the answer is no JSON. Is base_url the address of Chatwoot?") from error


def _records(answer: Any, *path: str) -> list[Record]:
    """The list of objects at this place. Raises `PullFailed` when there is none."""
    for key in path:
        answer = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(answer, list):
        raise PullFailed("An answer has no list of records: is base_url the address of Chatwoot?")
    return [each for each in answer if isinstance(each, dict) and _is_number(each.get("id"))]


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63
