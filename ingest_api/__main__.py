"""`python -m ingest_api --host --port`: the collector and API on uvicorn."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from echolead.settings import load_settings
from ingest_api.metrics import MULTI_PROCESS_DIR
from ingest_api.server.direct import DirectProtocol
from ingest_api.server.workers import WorkerSupervisor

APPLICATION = "ingest_api.app:create_app"
STOP_SECONDS = 9.0
"""From SIGTERM to the exit, without a longer drain. Supervisors kill after 10 s."""
CLOSE_SECONDS = 2.5  # the queue's deadline for messages on their way, and uvicorn's own waits


def main() -> None:
    """Serve until SIGTERM or Ctrl-C, then finish open requests and exit with status 0."""
    parser = argparse.ArgumentParser(prog="python -m ingest_api", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8700)
    arguments = parser.parse_args()
    settings = load_settings()
    # uvicorn raises the signal again after it has stopped; by then everything is done.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    config = uvicorn.Config(
        APPLICATION,
        factory=True,
        host=arguments.host,
        port=arguments.port,
        workers=settings.collector_workers,
        loop="uvloop",
        http=DirectProtocol,
        ws="none",
        interface="asgi3",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `TrustedProxies` reads them
        timeout_keep_alive=75,  # longer than proxies in front keep their connections
        timeout_graceful_shutdown=max(1, int(STOP_SECONDS - CLOSE_SECONDS - settings.collector_drain_seconds)),
        # On a busy machine a healthy worker answers slowly, above all while it starts.
        timeout_worker_healthcheck=60,
    )
    if settings.collector_workers == 1:
        server = uvicorn.Server(config)
        server.run()
        if not server.started:
            sys.exit(STARTUP_FAILURE)
    else:
        with shared_counts():
            WorkerSupervisor(config, max(STOP_SECONDS, settings.collector_drain_seconds + CLOSE_SECONDS)).run()


@contextmanager
def shared_counts() -> Iterator[None]:
    """A temporary folder in which several workers share their counts. A single process needs none."""
    with tempfile.TemporaryDirectory(prefix="echolead-metrics-") as folder:
        os.environ[MULTI_PROCESS_DIR] = folder
        yield


if __name__ == "__main__":
    main()
