"""Running one statement on a handle that is set up for it and restored afterwards."""

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import IO

from echolead.embedded.clickhouse import sql
from echolead.embedded.clickhouse.engine import Engine, Handle, QueryOutcome
from echolead.embedded.clickhouse.errors import Code, WarehouseError
from echolead.embedded.clickhouse.external import ExternalTable
from echolead.embedded.clickhouse.formats import ARRAY_SETTING, is_by_blocks, may_be_array
from echolead.embedded.clickhouse.request import QueryRequest
from echolead.embedded.clickhouse.sessions import QuerySession, QuerySessions
from echolead.embedded.clickhouse.sql import Shape, Statement
from echolead.embedded.clickhouse.tenant_tables import TenantTables
from echolead.warehouse_accounts import FILTERS_FIRST, Account

READER_MAX_SECONDS = 300
READER_SETTINGS = {"max_execution_time": str(READER_MAX_SECONDS)}


@dataclass(frozen=True)
class Query:
    """One statement with everything it needs. `tag` identifies the running query for a kill."""

    request: QueryRequest
    user: Account
    statement: Statement
    data: IO[bytes] | None = None
    tables: tuple[ExternalTable, ...] = ()
    tag: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def format(self) -> str:
        """Name of the format of the result."""
        return self.statement.format or self.request.default_format

    @property
    def has_rows(self) -> bool:
        """Whether the statement returns rows, possibly none."""
        return self.statement.shape is Shape.READ or self.statement.kind in sql.ANSWERS


class Executor:
    """Runs queries, each in the thread that calls it."""

    def __init__(self, engine: Engine, sessions: QuerySessions, tenant_tables: TenantTables) -> None:
        self._engine = engine
        self._sessions = sessions
        self._tenant_tables = tenant_tables

    def run(self, query: Query, output: int | None) -> QueryOutcome:
        """Run to the end; the rows of a READ go to the file descriptor `output`."""
        parameters = query.request.query_parameters
        try:
            with self._handle(query) as handle:
                if output is not None and _comes_in_blocks(query, handle):
                    return handle.stream(_text(query, None), query.format, parameters, output)
                outcome = handle.run(_text(query, output), query.format, parameters)
        finally:
            if query.statement.shape is Shape.COMMAND:
                self._tenant_tables.forget()
        if query.statement.shape is Shape.INSERT_DATA:
            # A server counts the request's rows as read.
            return replace(outcome, read_rows=outcome.written_rows, read_bytes=outcome.written_bytes)
        return outcome

    @contextmanager
    def _handle(self, query: Query) -> Iterator[Handle]:
        request = query.request
        if not request.session_id:
            with self._fresh(query, request.database) as handle:
                yield handle
            return
        session = self._sessions.acquire(request, query.user)
        try:
            with self._of_session(query, session) as handle:
                yield handle
        finally:
            self._sessions.release(session, request)

    @contextmanager
    def _of_session(self, query: Query, session: QuerySession) -> Iterator[Handle]:
        if session.handle is None:
            with self._fresh(query, query.request.database or session.database) as handle:
                yield handle
                if query.statement.kind == b"USE":
                    session.database = handle.value("SELECT currentDatabase()")
            return
        _check_in_session(query)
        with _borrowed(session.handle, query, session):
            yield session.handle

    @contextmanager
    def _fresh(self, query: Query, database: str) -> Iterator[Handle]:
        """A handle for this request only. `readonly` is set last: nothing can be set after it."""
        handle = self._engine.handle()
        try:
            if database:
                handle.use(database)
            # The guard has checked a reader's settings. External data is read after them, because they affect how.
            _create_tables(handle, query, self._all_settings(query))
            if query.user.is_readonly:
                # Under `readonly = 1` the statement cannot set any.
                handle.set({"readonly": "2" if _lists_settings(query.statement) else "1"})
            elif _readonly(query) != "0":
                handle.set({"readonly": _readonly(query)})
            yield handle
        finally:
            handle.close()

    def _all_settings(self, query: Query) -> dict[str, str]:
        """The request's settings, after a reader's limits and before a tenant's filters, which nothing may override.

        The filters are applied before every condition of the tenant, because an error in a condition would reveal the
        rows it was evaluated on.
        """
        account = query.user
        limits = READER_SETTINGS if account.is_readonly else {}
        filters: dict[str, str] = {}
        if account.tenant_id:
            filters = {**FILTERS_FIRST, "additional_table_filters": self._tenant_tables.filters(account)}
        return {**limits, **_settings(query), **filters}


@contextmanager
def _borrowed(handle: Handle, query: Query, session: QuerySession) -> Iterator[None]:
    """Set up a session's handle for one request, and restore what the request (not the statement) changed."""
    settings = _settings(query)
    before = _current_settings(handle, settings) if session.has_settings else dict.fromkeys(settings)
    moves = query.request.database not in {"", session.database}
    kind = query.statement.kind
    try:
        if moves:
            handle.use(query.request.database)
        _create_tables(handle, query, settings)
        yield
        session.has_settings = session.has_settings or kind == b"SET"
        if kind == b"USE":
            session.database = handle.value("SELECT currentDatabase()")
    finally:
        for table in query.tables:
            table.drop(handle)
        if kind == b"SET":
            before = {name: value for name, value in before.items() if name.encode() not in _names(query.statement)}
        _restore(handle, before)
        if moves and kind != b"USE":
            handle.use(session.database)


def _comes_in_blocks(query: Query, handle: Handle) -> bool:
    """Whether the engine can write the result block by block."""
    if query.statement.kind not in sql.SELECTS or not is_by_blocks(query.format):
        return False
    if not may_be_array(query.format):
        return True
    is_set_here = ARRAY_SETTING.encode() in _names(query.statement)
    return not is_set_here and handle.value(f"SELECT getSetting('{ARRAY_SETTING}')") == "false"


def _create_tables(handle: Handle, query: Query, settings: Mapping[str, str]) -> None:
    """Apply the request's settings, and fill its external tables with these in force."""
    for table in query.tables:
        table.create(handle)
    handle.set(dict(settings))
    for table in query.tables:
        table.fill(handle)


def _settings(query: Query) -> dict[str, str]:
    """The settings of the URL without `readonly`, after which nothing can be set."""
    settings = {name: value for name, value in query.request.settings.items() if name != "readonly"}
    comment = settings.get("log_comment", "")
    return {**settings, "log_comment": f"{query.tag} {comment}".strip()}


def _readonly(query: Query) -> str:
    """The value of `readonly` for this request: GET only reads, as in ClickHouse."""
    asked = query.request.settings.get("readonly", "0")
    return "2" if asked == "0" and query.request.method != "POST" else asked


def _lists_settings(statement: Statement) -> bool:
    """Whether this is `SELECT … FROM system.settings` and nothing more.

    Clients send it when they connect, to learn which settings they may send; under `readonly = 1` the answer would be
    none. Without a parenthesis it contains no function that the weaker mode could permit.
    """
    words = [token.upper for token in statement.tokens]
    if b"(" in words or words.count(b"FROM") != 1 or any(token.kind == "quoted" for token in statement.tokens):
        return False
    start = words.index(b"FROM") + 1
    return words[start : start + 3] == [b"SYSTEM", b".", b"SETTINGS"] and words[start + 3 : start + 4] in (
        [],
        [b"LIMIT"],
    )


def _check_in_session(query: Query) -> None:
    """Check without setting: a read-only handle stays read-only, and a session's handle serves later requests."""
    statement = query.statement
    if statement.kind == b"SET" and b"readonly" in _names(statement):
        raise WarehouseError(Code.NOT_IMPLEMENTED, "Give readonly with each request: it cannot be SET in a session")
    if _readonly(query) != "0" and statement.shape is not Shape.READ and statement.kind not in {b"SET", b"USE"}:
        raise WarehouseError(Code.READONLY, "Cannot execute query in readonly mode.")


def _current_settings(handle: Handle, names: Mapping[str, str]) -> dict[str, str | None]:
    """Values of these settings; None for one that has its default."""
    listed = ", ".join(sql.quote(name) for name in names)
    query = f"SELECT name, changed, value FROM system.settings WHERE name IN ({listed})"  # noqa: S608
    rows = handle.run(query, "TSVRaw").data.decode()
    found: dict[str, str | None] = {}
    for row in rows.splitlines():
        name, changed, value = row.split("\t", 2)
        found[name] = value if changed == "1" else None
    return found


def _restore(handle: Handle, settings: Mapping[str, str | None]) -> None:
    handle.set({name: value for name, value in settings.items() if value is not None})
    defaults = [name for name, value in settings.items() if value is None]
    if defaults:
        handle.run("SET " + ", ".join(f"{name} = DEFAULT" for name in defaults), "Null")


def _names(statement: Statement) -> set[bytes]:
    return {token.name for token in statement.tokens}


def _text(query: Query, output: int | None) -> bytes:
    """The statement for the engine: results are written to, and data is read from, a file descriptor."""
    statement = query.statement
    format_name = query.format.encode()
    if statement.shape is Shape.READ and output is not None:
        path = f"/dev/fd/{output}".encode()
        return statement.head + b"\nINTO OUTFILE '" + path + b"' TRUNCATE FORMAT " + format_name + b" " + statement.tail
    if statement.shape is Shape.INSERT_DATA and query.data is not None:
        return _insert(statement, query.data)
    if statement.format:
        return statement.head + b"\nFORMAT " + format_name + b" " + statement.tail
    return statement.head


def _insert(statement: Statement, data: IO[bytes]) -> bytes:
    data.flush()
    os.lseek(data.fileno(), 0, os.SEEK_SET)
    path = f"'/dev/fd/{data.fileno()}'".encode()
    format_name = statement.format.encode()
    call = statement.input_call
    if call is not None:
        head = statement.head
        return head[: call.start] + b"file(" + path + b", " + format_name + b", " + head[call.end :]
    source = b" FROM INFILE " + path + b" COMPRESSION 'none' "
    return statement.head[: statement.seam] + source + statement.head[statement.seam :] + b" FORMAT " + format_name
