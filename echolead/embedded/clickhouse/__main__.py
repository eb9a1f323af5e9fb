"""The server process: `python -m echolead.embedded.clickhouse CONFIGURATION_FILE`."""

import logging
import os
import signal
import sys
from pathlib import Path

import uvicorn

from echolead.embedded.clickhouse.application import Application
from echolead.embedded.clickhouse.configuration import Configuration
from echolead.embedded.clickhouse.confinement import USER_FILES_DIRECTORY
from echolead.embedded.clickhouse.engine import DirectoryHeld, Engine
from echolead.embedded.clickhouse.wire import Connection

MAX_CONNECTIONS = 500
DRAIN_SECONDS = 8


def main(configuration_file: str) -> None:
    """Serve until SIGTERM or SIGINT: no new requests, `DRAIN_SECONDS` for the running ones, then the engine closes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    configuration = Configuration.load(Path(configuration_file))
    try:
        engine = Engine(Path(configuration.data_dir), configuration.max_memory_bytes)
    except DirectoryHeld as held:
        sys.exit(str(held))
    # The engine looks for tables among the files of the working directory, so that must be empty.
    os.chdir(Path(configuration.data_dir) / USER_FILES_DIRECTORY)
    # The guard reads syntax trees, which are deeper than the statements.
    sys.setrecursionlimit(10_000)
    # uvicorn drains, then raises the signal again: it has been handled, so the process ends with status 0.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    uvicorn.run(
        Application(engine, configuration),
        host=configuration.host,
        port=configuration.port,
        loop="uvloop",
        http=Connection,
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=configuration.idle_timeout_seconds,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        limit_concurrency=MAX_CONNECTIONS,
    )


if __name__ == "__main__":
    main(sys.argv[1])
