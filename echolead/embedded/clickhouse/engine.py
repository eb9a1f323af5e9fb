"""The embedded engine: one per process, one process per data directory, many handles.

A handle is a connection of the engine: it keeps the state of USE and SET and temporary tables, and runs one query at a
time. Opening one takes about 0.3 ms, so a request without a session gets a new handle and leaves nothing behind.
"""

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote as quote_url

import psutil

from echolead.embedded.clickhouse import confinement, sql
from echolead.embedded.clickhouse.errors import Code, WarehouseError

LOCK_FILE = "server.lock"
SPOOL_DIRECTORY = "spool"
MIB = 1024 * 1024


class DirectoryHeld(RuntimeError):
    """Another process serves this data directory; the message names it."""


@dataclass(frozen=True)
class QueryOutcome:
    """The figures of a query, final or so far. `data` is empty for results that were written to a pipe.

    `total_rows` is the number of rows to read, as far as the engine knows.
    """

    data: bytes
    read_rows: int
    read_bytes: int
    written_rows: int
    written_bytes: int
    result_rows: int
    elapsed_seconds: float
    total_rows: int = 0


class Handle:
    """One connection of the engine. Only one thread may use it at a time."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def run(self, statement: bytes | str, format_name: str, parameters: dict[str, str] | None = None) -> QueryOutcome:
        """Run one statement to its end. Raises `WarehouseError` with the engine's message."""
        try:
            result = self._connection.query(statement, format_name, params=parameters or {})
        except RuntimeError as error:
            raise WarehouseError.from_engine(str(error)) from None
        return QueryOutcome(
            data=result.bytes() if result.size() else b"",
            read_rows=result.storage_rows_read(),
            read_bytes=result.storage_bytes_read(),
            written_rows=result.rows_written(),
            written_bytes=result.bytes_written(),
            result_rows=result.rows_read(),
            elapsed_seconds=result.elapsed(),
        )

    def stream(self, select: bytes, format_name: str, parameters: dict[str, str], output: int) -> QueryOutcome:
        """Run a SELECT and write each block of its result to the file descriptor `output` as soon as it is ready.

        The engine writes every block as a separate file: `format_name` must allow their concatenation. Raises
        `WarehouseError` with the engine's message, and when the reading end is closed.
        """
        began = time.monotonic()
        read_rows = read_bytes = result_rows = 0
        try:
            result = self._connection.send_query(select, format_name, params=parameters)
            while (block := self._connection.streaming_fetch_result(result)).size():
                read_rows += block.storage_rows_read()
                read_bytes += block.storage_bytes_read()
                result_rows += block.rows_read()
                if not _write(output, block.bytes()):
                    self._connection.streaming_cancel_query(result)
                    raise WarehouseError(Code.QUERY_WAS_CANCELLED, "The client no longer reads the result")
        except RuntimeError as error:
            raise WarehouseError.from_engine(str(error)) from None
        return QueryOutcome(b"", read_rows, read_bytes, 0, 0, result_rows, time.monotonic() - began)

    def value(self, query: str) -> str:
        """The single value a query returns, as text."""
        return self.run(query, "TabSeparatedRaw").data.decode().removesuffix("\n")

    def set(self, settings: dict[str, str]) -> None:
        """SET all settings at once. The caller has checked that their names are identifiers."""
        if settings:
            assignments = ", ".join(f"{name} = {sql.quote(value)}" for name, value in settings.items())
            self.run(f"SET {assignments}", "Null")

    def use(self, database: str) -> None:
        """Make `database` the database of unqualified names."""
        self.run(f"USE {sql.quote_name(database)}", "Null")

    def close(self) -> None:
        """Close the connection and drop its temporary tables."""
        self._connection.close()


class Engine:
    """The running engine on one data directory. `close()` stops it and releases the directory."""

    def __init__(self, data_dir: Path, max_memory_bytes: int) -> None:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _hold(data_dir)
        self.spool_dir = data_dir / SPOOL_DIRECTORY
        shutil.rmtree(self.spool_dir, ignore_errors=True)  # leftovers of a killed server
        self.spool_dir.mkdir()
        # The import starts the engine's library (about a second), so the lock is checked before it.
        from chdb._chdb import connect  # type: ignore[attr-defined]  # noqa: PLC0415  # absent from its stub

        self._connect = connect
        options = {
            "max_server_memory_usage": max_memory_bytes,
            "mark_cache_size": max_memory_bytes // 16,
            "tmp_path": f"{self.spool_dir}/",
            "config-file": confinement.write_engine_configuration(data_dir.resolve()),
        }
        self._address = f"{data_dir / 'store'}?" + "&".join(f"{k}={quote_url(str(v))}" for k, v in options.items())
        self._opening = threading.Lock()
        self._keeper = self.handle()  # the engine ends with its last connection
        self.version = self._keeper.value("SELECT version()")
        self.timezone = self._keeper.value("SELECT timezone()")
        self.host_name = self._keeper.value("SELECT hostName()")

    def handle(self) -> Handle:
        """A new handle: default database, default settings."""
        with self._opening:
            return Handle(self._connect(self._address))

    def kill(self, tag: str) -> None:
        """Ask the engine to stop the query whose `log_comment` begins with `tag`."""
        with self.borrowed() as handle:
            handle.run(f"KILL QUERY WHERE startsWith(Settings['log_comment'], {sql.quote(tag)}) ASYNC", "Null")

    def query_id(self, tag: str) -> str:
        """The engine's own id of that query, "" if it is not running."""
        condition = f"startsWith(Settings['log_comment'], {sql.quote(tag)})"
        with self.borrowed() as handle:
            return handle.value(f"SELECT query_id FROM system.processes WHERE {condition}")  # noqa: S608

    def so_far(self, tag: str) -> QueryOutcome:
        """The figures of that query so far; zeros if it is not running (yet, or any longer)."""
        columns = "read_rows, read_bytes, written_rows, written_bytes, total_rows_approx, elapsed"
        condition = f"startsWith(Settings['log_comment'], {sql.quote(tag)})"
        with self.borrowed() as handle:
            found = handle.value(f"SELECT {columns} FROM system.processes WHERE {condition} LIMIT 1").split("\t")  # noqa: S608
        if len(found) == 1:
            return QueryOutcome(b"", 0, 0, 0, 0, 0, 0.0)
        read_rows, read_bytes, written_rows, written_bytes, total_rows = map(int, found[:5])
        return QueryOutcome(
            b"", read_rows, read_bytes, written_rows, written_bytes, 0, float(found[5]), max(total_rows, read_rows)
        )

    @contextmanager
    def borrowed(self) -> Iterator[Handle]:
        """A new handle, closed at the end."""
        handle = self.handle()
        try:
            yield handle
        finally:
            handle.close()

    def close(self) -> None:
        """Close the engine; all handles must be closed before."""
        self._keeper.close()
        os.close(self._lock)


def _write(output: int, data: bytes) -> bool:
    """Write all of the data. False if the reading end is closed."""
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(output, rest) :]
    except BrokenPipeError:
        return False
    return True


def _hold(data_dir: Path) -> int:
    """Lock the directory for this process. The kernel releases it however the process ends."""
    path = data_dir / LOCK_FILE
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise DirectoryHeld(_held_message(data_dir, path.read_text().strip())) from None
    os.truncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _held_message(data_dir: Path, pid: str) -> str:
    command = ""
    if pid.isdigit() and psutil.pid_exists(int(pid)):
        command = f" ({' '.join(psutil.Process(int(pid)).cmdline())})"
    return f"{data_dir} is in use by process {pid or 'unknown'}{command}; stop it first, or choose another directory"
