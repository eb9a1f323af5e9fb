"""Calls to a destination: paced, bounded in time and size, told apart by outcome, and recorded one by one."""

import asyncio
import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import perf_counter
from typing import Any, Self

import httpx

from echolead.outbound import UnsafeAddress
from echolead.security import redact, redact_text
from reverse_etl.errors import (
    DeliveryFailed,
    Gone,
    Misconfigured,
    NotThere,
    OutcomeUnknown,
    Postponed,
    Rejected,
    Unavailable,
    Withheld,
)
from reverse_etl.pace import Breaker, Pace, Quota
from reverse_etl.tokens import OAuth

ANSWER_KEPT_CHARACTERS = 4096
ANSWER_READ_BYTES = 2 * 1024 * 1024
CALL_SECONDS = 20.0
TIMEOUT = httpx.Timeout(connect=5.0, read=10.0, write=10.0, pool=5.0)
# A call that is safe to repeat is repeated at once, twice at most: with one call in three failing, a delivery of six
# calls would otherwise need half a dozen rounds through the ledger.
TRIES_OF_SAFE_CALLS = 3
SECONDS = re.compile(r"\d{1,12}(\.\d+)?")
LONGEST_RETRY_AFTER_SECONDS = 3600.0
LONGEST_WAIT_SECONDS = 10.0
"""The longest time that a call waits for its place. A delivery that would wait longer is put off in the ledger."""


@dataclass(frozen=True)
class RecordedCall:
    """One call as it is kept in `delivery_attempts`: no secret in the request, the answer cut to 4 KB."""

    operation: str
    request: dict[str, Any]
    outcome: str  # ok, rejected, postponed, unavailable, unknown, misconfigured, withheld, conflict, lost, mismatch
    started_at: datetime
    response_status: int | None = None
    response: str | None = None
    latency_ms: int | None = None
    error_class: str | None = None


@dataclass(frozen=True)
class Reply:
    """An answer as it came. `kept` is the part of the text that goes into messages: no secret, at most 4 KB."""

    status: int
    headers: httpx.Headers
    text: str
    kept: str
    operation: str = ""

    @property
    def content(self) -> Any:
        """The JSON; None when there is no text or it is no JSON."""
        try:
            return json.loads(self.text) if self.text.strip() else None
        except ValueError:
            return None


@dataclass(frozen=True)
class Allowance:
    """What a product says is left: so many calls within so many seconds from now.

    `limit` is how many the whole window has, where the product says so; a product that does not say when a window ends
    gives `limit` and the window's length. Of a daily quota (`is_daily`) a part is kept for new leads.
    """

    calls: int
    seconds: float
    limit: int | None = None
    is_daily: bool = False


Allowances = Allowance | Sequence[Allowance] | None
Judge = Callable[[Reply], DeliveryFailed | None]
ReadAllowance = Callable[[httpx.Headers], Allowances]


def judge_by_status(answer: Reply) -> DeliveryFailed | None:
    """What the status alone says: the rules of HTTP. Products whose codes say more look at these first."""
    status, kept = answer.status, answer.kept
    error: DeliveryFailed | None = None
    if status in (429, 503):
        error = Unavailable(f"The destination answers {status}.", retry_after=retry_after(answer.headers))
    elif status >= 500:
        error = OutcomeUnknown(f"The destination answers {status}: {kept[:200]}")
    elif status in (401, 403):
        error = Misconfigured(f"The destination refuses the token ({status}): {kept[:200]}")
    elif 300 <= status < 400:
        error = Misconfigured(f"The destination redirects ({status}): use the address it redirects to.")
    elif status == 404:
        error = NotThere(f"Not found: {kept[:200]}", status=status)
    elif status >= 400:
        error = Rejected(f"Refused ({status}): {kept[:500]}", status=status, attributes=_attributes(answer.content))
    return error


def no_allowance(_headers: httpx.Headers) -> None:
    """For products that say nothing of their limits."""
    return


@dataclass
class LaneConnection:
    """What all calls of one lane share: the connection pool, the pace, the breaker, the day's quota, and the secrets to
    leave out.

    `judge` and `allowance` are the product's own reading of its answers.
    """

    client: httpx.AsyncClient
    pace: Pace
    breaker: Breaker
    secrets: tuple[str, ...] = ()
    judge: Judge = judge_by_status
    allowance: ReadAllowance = no_allowance
    quota: Quota = field(default_factory=Quota)

    def note_allowance(self, headers: httpx.Headers) -> None:
        """Keep to what the product says is left."""
        stated = self.allowance(headers)
        for left in (stated,) if isinstance(stated, Allowance) else stated or ():
            if left.is_daily:
                self.quota.allow(left.calls, left.seconds, left.limit)
            else:
                self.pace.allow(left.calls, left.seconds, left.limit)
        if self.quota.is_spent:
            self.wait_for(self.quota.seconds_left)

    def wait_for(self, seconds: float) -> None:
        """Make no call for that long.

        A long wait ends with a single probe: a spent day is asked after once an hour, not by every delivery that waits.
        """
        if seconds > LONGEST_WAIT_SECONDS:
            self.breaker.suspend(min(seconds, LONGEST_RETRY_AFTER_SECONDS))
        else:
            self.pace.pause(seconds)

    @property
    def hidden(self) -> tuple[str, ...]:
        """The secrets, and the tokens that were got with them."""
        auth = self.client.auth
        return (*self.secrets, *auth.secrets) if isinstance(auth, OAuth) else self.secrets


@dataclass
class Calls:
    """The calls made for one delivery, in order; those that were made for several are recorded for each."""

    connection: LaneConnection
    recorded: list[RecordedCall] = field(default_factory=list)
    others: tuple["Calls", ...] = ()

    @classmethod
    def shared(cls, of: Sequence["Calls"]) -> Self:
        """Calls that are made for all of these deliveries at once."""
        return cls(of[0].connection, of[0].recorded, tuple(of[1:]))

    async def ask(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | Sequence[Any] | bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        is_safe_to_repeat: bool = True,
        expects_json: bool = True,
    ) -> Any:
        """Make a call and return its JSON, None for an empty answer. A body of bytes is sent as it is.

        Without `expects_json` a successful answer may be any text, as of a receiver that says "ok".

        Raises a `DeliveryFailed`: `NotThere` or `Rejected` (4xx), `Unavailable` (nothing was taken), `OutcomeUnknown`
        (it may have been), `Misconfigured` (token or address refused). Only `OutcomeUnknown` is repeated here.
        """
        for tries_left in reversed(range(TRIES_OF_SAFE_CALLS if is_safe_to_repeat else 1)):
            try:
                return await self._ask_once(operation, method, path, body, params, headers, expects_json)
            except OutcomeUnknown:
                if tries_left == 0:
                    raise
                await asyncio.sleep(random.uniform(0.02, 0.2))  # noqa: S311  # jitter
        raise AssertionError("unreachable")

    def note(self, operation: str, outcome: str, sentence: str) -> None:
        """Record something that was decided rather than called, such as a field left to its holder."""
        now = datetime.now(UTC)
        self._record(RecordedCall(operation, {}, outcome, now, response=sentence[:ANSWER_KEPT_CHARACTERS]))

    async def _ask_once(
        self,
        operation: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | Sequence[Any] | bytes | None,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        expects_json: bool,
    ) -> Any:
        connection = self.connection
        if connection.breaker.seconds_left > 0:
            raise Unavailable("Calls are suspended for a while.", retry_after=connection.breaker.seconds_left)
        if connection.pace.seconds_left > LONGEST_WAIT_SECONDS:
            raise Unavailable("The destination's limit is used up.", retry_after=connection.pace.seconds_left)
        await connection.pace.acquire()
        started_at, started = datetime.now(UTC), perf_counter()
        status: int | None = None
        answered: httpx.Headers | None = None
        kept = ""
        error: DeliveryFailed | None = None
        try:
            async with asyncio.timeout(CALL_SECONDS):
                request = _request(connection.client, method, path, body, params, headers)
                status, answered, text = await _send(connection.client, request)
            kept = _kept(text, connection.hidden)
            content = self._read(Reply(status, answered, text, kept, operation), expects_json)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as caught:
            error = Unavailable(f"No connection: {caught or type(caught).__name__}")
        except (httpx.TransportError, TimeoutError) as caught:
            error = OutcomeUnknown(f"The connection failed after the request was sent: {caught or 'time-out'}")
        except (UnsafeAddress, httpx.InvalidURL) as caught:
            error = Misconfigured(str(caught))
        except DeliveryFailed as caught:
            error = caught
        self._report(error, answered)
        self._record(
            RecordedCall(
                operation=operation,
                request=redact(
                    {"method": method, "path": path, "params": dict(params or {}), "body": _readable(body)},
                    connection.hidden,
                ),
                outcome="ok" if error is None else OUTCOMES[type(error)],
                started_at=started_at,
                response_status=status,
                response=kept or _kept(str(error or ""), connection.hidden),
                latency_ms=round((perf_counter() - started) * 1000),
                error_class=None if error is None else type(error).__name__,
            )
        )
        if error is not None:
            raise error
        return content

    def _record(self, call: RecordedCall) -> None:
        for calls in (self, *self.others):
            calls.recorded.append(call)

    def _read(self, answer: Reply, expects_json: bool) -> Any:
        """The JSON of a successful answer. Raises what the product says the answer stands for."""
        connection = self.connection
        if (error := connection.judge(answer)) is not None:
            raise error
        if expects_json and answer.text.strip() and answer.content is None and answer.text.strip() != "null":
            raise OutcomeUnknown(f"The answer is not JSON: {answer.kept[:200]}")
        return answer.content

    def _report(self, error: DeliveryFailed | None, headers: httpx.Headers | None) -> None:
        """Tell breaker, pace and quota how the destination is doing: a refusal is an answer as well."""
        connection = self.connection
        if error is None or isinstance(error, (Rejected, Postponed, Withheld)):
            connection.breaker.succeeded()
        else:
            connection.breaker.failed(at_once=isinstance(error, Misconfigured))
        if headers is not None:  # there was an answer
            connection.note_allowance(headers)
        if isinstance(error, Unavailable) and error.retry_after:
            connection.wait_for(error.retry_after)


OUTCOMES: dict[type[DeliveryFailed], str] = {
    Rejected: "rejected",
    NotThere: "rejected",
    Postponed: "postponed",
    Withheld: "withheld",
    Unavailable: "unavailable",
    OutcomeUnknown: "unknown",
    Misconfigured: "misconfigured",
    Gone: "misconfigured",
}


def _request(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    body: Mapping[str, Any] | Sequence[Any] | bytes | None,
    params: Mapping[str, str] | None,
    headers: Mapping[str, str] | None,
) -> httpx.Request:
    if isinstance(body, bytes):
        return client.build_request(method, path, content=body, params=params, headers=headers)
    return client.build_request(method, path, json=body, params=params, headers=headers)


async def _send(client: httpx.AsyncClient, request: httpx.Request) -> tuple[int, httpx.Headers, str]:
    response = await client.send(request, stream=True)
    try:
        read = bytearray()
        async for chunk in response.aiter_bytes():
            read += chunk
            if len(read) > ANSWER_READ_BYTES:
                raise OutcomeUnknown(f"The answer is over {ANSWER_READ_BYTES} bytes.")
    finally:
        await response.aclose()
    return response.status_code, response.headers, read.decode(errors="replace")


def retry_after(headers: httpx.Headers, name: str = "Retry-After") -> float | None:
    """Seconds asked for by Retry-After (or a header like it), given as seconds or as a date; at most an hour.

    None when it is absent or unreadable.
    """
    asked = headers.get(name, "").strip()
    if SECONDS.fullmatch(asked):
        return min(float(asked), LONGEST_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(asked)
    except ValueError:
        return None
    seconds: float = (moment - datetime.now(UTC if moment.tzinfo else None)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def _attributes(content: Any) -> tuple[str, ...]:
    named = content.get("attributes") if isinstance(content, dict) else None
    return tuple(str(name) for name in named) if isinstance(named, list) else ()


def _readable(body: Mapping[str, Any] | Sequence[Any] | bytes | None) -> Any:
    return body.decode(errors="replace") if isinstance(body, bytes) else body


def _kept(text: str, secrets: tuple[str, ...]) -> str:
    # NUL cannot be kept in a PostgreSQL text.
    return redact_text(text[: 4 * ANSWER_KEPT_CHARACTERS], secrets)[:ANSWER_KEPT_CHARACTERS].replace("\x00", "�")
