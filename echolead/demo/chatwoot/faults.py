"""Injected faults: failures of a destination, by endpoint and by seeded chance."""

import asyncio
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FaultKind = Literal[
    "status", "status_after", "latency", "hang_before", "hang_after", "cut_before", "cut_after", "garbled_after"
]


@dataclass
class Fault:
    """One fault for requests whose `METHOD /path` matches the pattern `where`.

    `status` answers instead of serving. With `status_after`, `hang_after`, `cut_after` and `garbled_after` (an answer
    that is no JSON) the request takes effect first, so that the caller does not know the outcome. `latency` and the
    hangs last `seconds`. `times` limits how often the fault occurs, `chance` is its probability.
    """

    kind: FaultKind
    where: str = "."
    chance: float = 1.0
    times: int | None = None
    status: int = 500
    retry_after: str | None = None
    seconds: float = 1.0


class Faults:
    """The faults in force; they can be changed while the demo serves. The same seed gives the same random choices."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        self.faults = list(faults)
        self.random = random.Random(seed)  # noqa: S311  # a draw of faults, not a secret
        self.struck: dict[str, int] = {}

    def replace(self, faults: Iterable[Fault], seed: int = 0) -> None:
        """Put other faults in force."""
        self.faults = list(faults)
        self.random.seed(seed)
        self.struck.clear()

    def strike(self, method: str, path: str) -> Fault | None:
        """The first fault that hits this request."""
        for fault in self.faults:
            if fault.times == 0 or not re.search(fault.where, f"{method} {path}"):
                continue
            if self.random.random() < fault.chance:
                if fault.times is not None:
                    fault.times -= 1
                self.struck[fault.kind] = self.struck.get(fault.kind, 0) + 1
                return fault
        return None


class FaultMiddleware:
    """Applies the faults to the API, whose paths begin with one of `below`; the demo's own pages stay reachable."""

    def __init__(self, app: ASGIApp, faults: Faults, below: tuple[str, ...] = ("/api/",)) -> None:
        self.app = app
        self.faults = faults
        self.below = below

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_api = scope["type"] == "http" and scope["path"].startswith(self.below)
        fault = self.faults.strike(scope["method"], scope["path"]) if is_api else None
        if fault is None:
            await self.app(scope, receive, send)
            return
        if fault.kind in ("latency", "hang_before"):
            await asyncio.sleep(fault.seconds)
        if fault.kind == "latency":
            await self.app(scope, receive, send)
            return
        if fault.kind.endswith("_after"):
            await self.app(scope, receive, _swallow)
        if fault.kind == "hang_after":
            await asyncio.sleep(fault.seconds)
        if fault.kind == "garbled_after":
            await Response('{"results": [{"id": ', media_type="application/json")(scope, receive, send)
            return
        if fault.kind.startswith("status"):
            headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
            await JSONResponse({"error": "fault on purpose"}, fault.status, headers)(scope, receive, send)
            return
        await _cut(send)


async def _swallow(message: Message) -> None:
    """The request was served, but the caller gets no answer."""


async def _cut(send: Send) -> None:
    """Announce a body and never send it: the server closes the connection, and the caller cannot know the outcome."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})
