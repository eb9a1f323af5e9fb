"""One query over HTTP, from the request's first byte to the answer's last."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from math import inf
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import parse_qsl

from echolead.embedded.clickhouse import sql, users
from echolead.embedded.clickhouse.answer import Answer, Pipe, encoding_for, pieces, summary
from echolead.embedded.clickhouse.body import Body, ClientGone, Receive
from echolead.embedded.clickhouse.dictionaries import without_own_credentials
from echolead.embedded.clickhouse.engine import QueryOutcome
from echolead.embedded.clickhouse.errors import Code, WarehouseError
from echolead.embedded.clickhouse.execution import Query
from echolead.embedded.clickhouse.external import ExternalTable
from echolead.embedded.clickhouse.formats import PLAIN_TEXT, content_type
from echolead.embedded.clickhouse.multipart import is_multipart, read_form
from echolead.embedded.clickhouse.request import QueryRequest
from echolead.embedded.clickhouse.server_state import ServerState
from echolead.embedded.clickhouse.sql import Shape, Statement
from echolead.warehouse_accounts import Account

log = logging.getLogger(__name__)

HEAD_BYTES = 256 * 1024  # as ClickHouse's max_query_size: an INSERT's data must begin within it
HELD_IN_MEMORY_BYTES = 4 * 1024 * 1024
_FORM = re.compile(rb"\s*[A-Za-z_]\w*=")


class QueryHandler:
    """Reads the request, runs the query, sends the answer, and ends the query if the client disconnects."""

    def __init__(self, state: ServerState, request: QueryRequest, receive: Receive, answer: Answer) -> None:
        self._state = state
        self._engine = state.engine
        self._limit_bytes = state.configuration.max_query_text_bytes
        self._request = request
        self._receive = receive
        self._answer = answer

    async def run(self) -> None:
        """Serve the request. Errors, also the server's stop, become answers; a disconnected client gets none."""
        try:
            user = self._authenticate()
            with ExitStack() as files:
                query = await self._read(user, files)
                await self._state.in_thread(self._state.guard.check, query)
                with self._state.running.slot(query):
                    await self._execute(query)
        except ClientGone:
            log.info("query %s: the client went away", self._request.query_id)
        except WarehouseError as error:
            await self._refuse(error)
        except asyncio.CancelledError:
            # Only a stopping server cancels a request: no caller needs the cancellation.
            await self._refuse(WarehouseError(Code.QUERY_WAS_CANCELLED, "The server stops: ask again once it is back"))

    def _authenticate(self) -> Account:
        return self._state.users.authenticate(self._request.headers, self._request.parameters)

    async def _read(self, user: Account, files: ExitStack) -> Query:
        request = self._request
        if request.flag("decompress"):
            raise WarehouseError(
                Code.NOT_IMPLEMENTED, "decompress=1 (ClickHouse's own blocks) is not supported: use Content-Encoding"
            )
        if request.flag("compress"):
            raise WarehouseError(
                Code.NOT_IMPLEMENTED, "compress=1 (ClickHouse's own blocks) is not supported: use Accept-Encoding"
            )
        timeout = self._state.configuration.body_timeout_seconds
        body = Body(self._receive, request.headers.get("content-encoding", ""), timeout)
        kind = request.headers.get("content-type", "")
        if is_multipart(kind):
            form = await read_form(body, kind, self._engine.spool_dir, self._limit_bytes)
            files.callback(form.close)
            self._request = request = request.with_form(form.fields, form.files)
            tables = tuple(ExternalTable(name, file, request.external[name]) for name, file in form.files.items())
            statement = sql.parse(request.query)
            if statement.shape is Shape.INSERT_DATA:
                return replace(await self._with_data(user, statement, body, files), tables=tables)
            return Query(request, user, statement, tables=tables)
        return await self._read_text(user, body, files)

    async def _read_text(self, user: Account, body: Body, files: ExitStack) -> Query:
        start = self._request.query + b"\n" if self._request.query else b""
        if start and (statement := sql.parse(start)).shape is Shape.INSERT_DATA:
            return await self._with_data(user, statement, body, files)
        text = start + await body.text(HEAD_BYTES)
        if not start and _FORM.match(text):
            text += await body.text(self._limit_bytes - len(text))
            fields = dict(parse_qsl(text.decode(errors="replace"), keep_blank_values=True))
            if "query" in fields:
                self._request = self._request.with_form(fields)
                text = self._request.query
        statement = sql.parse(text)
        if not statement.data and not body.is_complete:  # it may be cut within the name after FORMAT
            text += await body.text(self._limit_bytes - len(text))
            statement = sql.parse(text)
        if statement.shape is Shape.INSERT_DATA:
            return await self._with_data(user, statement, body, files)
        if not body.is_complete:
            raise WarehouseError(Code.QUERY_IS_TOO_LARGE, f"The query is longer than {self._limit_bytes} bytes")
        return Query(self._request, user, statement)

    async def _with_data(self, user: Account, statement: Statement, body: Body, files: ExitStack) -> Query:
        if user.is_readonly:
            # Checked before the data is read: a reader must not be able to fill the disk.
            await self._state.in_thread(self._state.guard.check, Query(self._request, user, statement))
        data = files.enter_context(await body.spool(statement.data, self._engine.spool_dir))
        return Query(self._request, user, statement, data=data)

    async def _execute(self, query: Query) -> None:
        if query.statement.kind == b"KILL":
            query = await self._with_internal_ids(query)
        password = self._state.configuration.password
        query = replace(query, statement=without_own_credentials(query.statement, users.WRITER, password))
        work = asyncio.create_task(self._stream(query) if query.statement.shape is Shape.READ else self._command(query))
        gone = asyncio.create_task(self._wait_for_disconnect())
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and not self._answer.is_complete:
                raise ClientGone
            await work
        finally:
            gone.cancel()
            if not work.done():
                await self._end(query, work)

    async def _end(self, query: Query, work: "asyncio.Task[None]") -> None:
        """Kill the query and wait until it has ended: only then are its handle and files free."""
        await self._state.in_thread(self._state.running.kill, query)
        work.cancel()
        with suppress(asyncio.CancelledError, WarehouseError):
            await work

    async def _wait_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    @asynccontextmanager
    async def _progress(self, query: Query) -> AsyncIterator[None]:
        """Send progress headers until the answer begins, if the client requested them."""
        interval = query.request.progress_seconds
        reporting = None if interval == inf else asyncio.create_task(self._report(query, interval))
        try:
            yield
        finally:
            if reporting is not None:
                reporting.cancel()
                await asyncio.wait({reporting})

    async def _report(self, query: Query, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            with suppress(WarehouseError):  # the engine is too busy to answer; the query itself continues
                so_far = await self._state.in_thread(self._engine.so_far, query.tag)
                await self._answer.progress(summary(so_far))

    async def _command(self, query: Query) -> None:
        async with self._progress(query):
            outcome = await _shielded(self._state.in_thread(self._state.executor.run, query, None))
        await self._send_whole(query, outcome, outcome.data)

    async def _stream(self, query: Query) -> None:
        pipe = Pipe()
        work = asyncio.ensure_future(self._state.in_thread(self._run_into, query, pipe))
        try:
            await self._pass_on(query, pipe, work)
        finally:
            pipe.close_reading()
            with suppress(WarehouseError):
                await _shielded(work)

    def _run_into(self, query: Query, pipe: Pipe) -> QueryOutcome:
        try:
            return self._state.executor.run(query, pipe.write)
        finally:
            pipe.close_writing()

    async def _pass_on(self, query: Query, pipe: Pipe, work: "asyncio.Future[QueryOutcome]") -> None:
        """Hold the first part back, then stream. An error becomes the answer or ends the stream."""
        with SpooledTemporaryFile(HELD_IN_MEMORY_BYTES, dir=str(self._engine.spool_dir)) as held:
            async with self._progress(query):
                is_whole = await _hold_back(query.request, pipe, held)
                outcome = await work if is_whole else None
            size = held.tell()
            held.seek(0)
            if outcome is not None and size <= HELD_IN_MEMORY_BYTES:
                await self._send_whole(query, outcome, held.read())
                return
            headers = self._headers(query, summary(outcome, size if is_whole else 0))
            await self._answer.begin(headers, encoding_for(query.request))
            while data := held.read(HELD_IN_MEMORY_BYTES):
                await self._answer.piece(data)
        async for data in pieces(pipe):
            await self._answer.piece(data)
        await work
        await self._answer.end()

    async def _send_whole(self, query: Query, outcome: QueryOutcome, data: bytes) -> None:
        headers = self._headers(query, summary(outcome, len(data)), has_rows=bool(data) or query.has_rows)
        encoding = encoding_for(query.request) if data else ""
        await self._answer.encoded(data, headers, encoding, sends_body=query.request.method != "HEAD")

    def _headers(self, query: Query, summary_text: str, *, has_rows: bool = True) -> dict[str, str]:
        headers = {"X-ClickHouse-Query-Id": query.request.query_id, "X-ClickHouse-Summary": summary_text}
        if not has_rows:  # a client reads an answer with a format as rows
            return {**headers, "Content-Type": PLAIN_TEXT}
        return {**headers, "Content-Type": content_type(query.format), "X-ClickHouse-Format": query.format}

    async def _refuse(self, error: WarehouseError) -> None:
        if self._answer.is_complete:
            return
        if self._answer.has_begun:
            with suppress(ClientGone):
                await self._answer.break_off(error, self._engine.version)
            return
        headers = {
            "Content-Type": PLAIN_TEXT,
            "X-ClickHouse-Exception-Code": str(error.code),
            "X-ClickHouse-Query-Id": self._request.query_id,
            "X-ClickHouse-Summary": summary(None),
        }
        status = error.status
        if error.code == Code.AUTHENTICATION_FAILED and not users.are_given(
            self._request.headers, self._request.parameters
        ):
            status = 401
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        await self._answer.whole(status, error.text(self._engine.version).encode(), headers)

    async def _with_internal_ids(self, query: Query) -> Query:
        """KILL QUERY with the clients' ids replaced: the engine assigns its own ids."""
        text = query.statement.head
        for token in reversed(query.statement.tokens):
            if token.kind == "string" and token.end <= len(text):
                name = token.inner.decode(errors="replace")
                internal = await self._state.in_thread(self._state.running.internal_id, name)
                if internal:
                    text = text[: token.start] + sql.quote(internal).encode() + text[token.end :]
        return replace(query, statement=replace(query.statement, head=text))


async def _hold_back(request: QueryRequest, pipe: Pipe, held: IO[bytes]) -> bool:
    """Collect pieces until they are large or have waited long enough. Returns whether the result is complete."""
    limit = request.buffer_bytes
    since = None
    async for data in pieces(pipe):
        held.write(data)
        now = asyncio.get_running_loop().time()
        since = now if since is None and data else since
        if limit is not None and held.tell() > limit:
            return False
        if since is not None and now - since > request.held_seconds:
            return False
    return True


async def _shielded(work: Any) -> Any:
    """Wait for work in a thread, also when cancelled: a thread cannot be cancelled, and it holds a handle."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
