"""Received requests straight into raw, past the queue: for a history that is made up or moved from elsewhere.

`python -m dlt_pipelines.collector.straight --data-dir DIR` writes the requests on its standard input, each a line as in
a message of the queue.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import msgspec
import psycopg
import pyarrow as pa
from clickhouse_connect.driver import exceptions as driver

from dlt_pipelines.collector.loader import LEASE
from dlt_pipelines.collector.rows import EventRows
from dlt_pipelines.collector.stream import StreamMessage
from dlt_pipelines.lease import Lease, LeaseLost, is_held
from dlt_pipelines.loads import LoadFailed, last_number, write_load
from dlt_pipelines.raw import ensure_raw_tables
from echolead.events import ReceivedRequest, decode_received_request
from echolead.settings import Settings, load_settings
from echolead.warehouse import connect

MAX_ROWS = 100_000
MAX_BYTES = 128 * 1024 * 1024
"""Of one insert, which is held three times while it is sent; whatever is reached first."""
REQUESTS_AT_ONCE = 1_000
NO_MESSAGE = StreamMessage("events.straight", sequence=0, deliveries=1, data=b"", reply="")
"""What a row that did not come by the stream has in the place of its message: `stream_sequence` 0."""


class NotARow(ValueError):
    """A request or an event cannot be loaded; it says which, and why."""


def write_raw(settings: Settings, requests: Iterable[ReceivedRequest], on_progress: Callable[[int], object]) -> int:
    """Write requests and return how many rows of `raw.events` they are.

    Waits until no loader runs, as only one process may write. The rows are those that the loader would write.
    `on_progress` hears how many rows each insert had. Raises `NotARow`, `LoadFailed`, `LeaseLost`; what was
    reported is on the warehouse's disk.
    """
    written = 0
    load_id = str(time.time())
    with Lease(settings.postgres_loader_url.get_secret_value(), LEASE) as lease:
        ensure_raw_tables(settings)
        with closing(connect(settings.clickhouse("loader"))) as client:
            load_seq = last_number(client, settings.postgres_loader_url.get_secret_value())
            for rows in _inserts(requests):
                lease.check()
                load_seq += 1
                write_load(client, load_seq, {"events": rows}, load_id)
                written += rows.num_rows
                on_progress(rows.num_rows)
    return written


def _inserts(requests: Iterable[ReceivedRequest]) -> Iterator[pa.Table]:
    """The rows in tables as large as an insert may be."""
    waiting: list[pa.Table] = []
    rows = size = 0
    left = iter(requests)
    while some := list(islice(left, REQUESTS_AT_ONCE)):
        table = rows_of(some)
        waiting.append(table)
        rows, size = rows + table.num_rows, size + table.nbytes
        if rows >= MAX_ROWS or size >= MAX_BYTES:
            yield pa.concat_tables(waiting)
            waiting, rows, size = [], 0, 0
    if rows:
        yield pa.concat_tables(waiting)


def rows_of(requests: Iterable[ReceivedRequest]) -> pa.Table:
    """The events of requests as rows of `raw.events`. Raises `NotARow`."""
    rows = EventRows([])
    for request in requests:
        rows.add_request(NO_MESSAGE, request)
    if rows.dead:
        raise NotARow(f"Event {rows.dead[0].event_id}: {rows.dead[0].detail}")
    return rows.table()


def main() -> int:
    """Write what standard input holds. Errors that a user can mend are printed as a sentence, with status 1."""
    parser = argparse.ArgumentParser(prog="python -m dlt_pipelines.collector.straight", description=main.__doc__)
    parser.add_argument("--data-dir", type=Path)
    settings = load_settings(parser.parse_args().data_dir)
    try:
        if is_held(settings.postgres_loader_url.get_secret_value(), LEASE):
            sys.stderr.write("Waiting for the loader: the live run holds its lease until the next one takes over.\n")
        write_raw(settings, map(decode_received_request, sys.stdin.buffer), lambda _: None)
    except (NotARow, msgspec.MsgspecError, LoadFailed, LeaseLost, driver.Error, psycopg.OperationalError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:  # Ctrl-C at the terminal reaches this process too
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
