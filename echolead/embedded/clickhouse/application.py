"""The ASGI application: ClickHouse's HTTP interface in front of the embedded engine."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from echolead.embedded.clickhouse.answer import Answer, Send
from echolead.embedded.clickhouse.body import Receive
from echolead.embedded.clickhouse.configuration import Configuration
from echolead.embedded.clickhouse.engine import Engine
from echolead.embedded.clickhouse.formats import PLAIN_TEXT
from echolead.embedded.clickhouse.query_handler import QueryHandler
from echolead.embedded.clickhouse.request import QueryRequest
from echolead.embedded.clickhouse.server_state import ServerState

Scope = MutableMapping[str, Any]
EXPIRY_SECONDS = 5.0


class Application:
    """Answers health checks, and makes a handler for each query."""

    def __init__(self, engine: Engine, configuration: Configuration) -> None:
        self._state = ServerState(engine, configuration)
        self._headers = {
            "X-ClickHouse-Server-Display-Name": engine.host_name,
            "X-ClickHouse-Timezone": engine.timezone,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        answer = Answer(send, self._headers, scope["state"]["wire"])
        if scope["path"] in {"/ping", "/replicas_status"}:
            await answer.whole(200, b"Ok.\n", {"Content-Type": "text/html; charset=UTF-8"})
        elif scope["path"] != "/":
            text = f"There is no handle {scope['path']}\n\nUse / for queries, /ping for health checks.\n"
            await answer.whole(404, text.encode(), {"Content-Type": PLAIN_TEXT})
        elif scope["method"] in {"GET", "HEAD"} and not scope["query_string"]:
            await answer.whole(200, b"Ok.\n", {"Content-Type": "text/html; charset=UTF-8"})
        elif scope["method"] not in {"GET", "HEAD", "POST"}:
            await answer.whole(405, b"Use GET or POST\n", {"Allow": "GET, HEAD, POST"})
        else:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            request = QueryRequest.read(scope["method"], headers, scope["query_string"])
            await QueryHandler(self._state, request, receive, answer).run()

    async def _lifespan(self, receive: Receive, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        await receive()
        expiry = asyncio.create_task(self._expire_sessions())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        expiry.cancel()
        with suppress(asyncio.CancelledError):
            await expiry
        await asyncio.to_thread(self._state.close)
        await send({"type": "lifespan.shutdown.complete"})

    async def _expire_sessions(self) -> None:
        while True:
            await asyncio.sleep(EXPIRY_SECONDS)
            await self._state.in_thread(self._state.sessions.expire)
