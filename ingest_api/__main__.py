"""`python -m ingest_api --host --port`: the collector and API on uvicorn."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import uvicorn

from echolead.settings import load_settings
from ingest_api import workers as uvicorn_workers
from ingest_api.metrics import MULTI_PROCESS_DIR
from ingest_api.slow_headers import PatientProtocol

GRACE_SECONDS = 6  # with the time to drain, less than the 10 s after which supervisors kill


def main() -> None:
    """Serve until SIGTERM or Ctrl-C, then finish what was begun and end with status 0."""
    parser = argparse.ArgumentParser(prog="python -m ingest_api", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8700)
    arguments = parser.parse_args()
    workers = load_settings().collector_workers
    # uvicorn hands the signal on once it has stopped by itself; it then means that all is done.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    with shared_counts() if workers > 1 else nullcontext():
        uvicorn.run(
            "ingest_api.app:create_app",
            factory=True,
            host=arguments.host,
            port=arguments.port,
            workers=workers,
            loop="uvloop",
            http=PatientProtocol,
            ws="none",
            interface="asgi3",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # we read them ourselves, and only from proxies we trust
            timeout_keep_alive=75,  # longer than the proxies in front keep theirs
            timeout_graceful_shutdown=GRACE_SECONDS,
            # A worker on a busy machine is slow to answer long before it hangs, most of all while it starts.
            timeout_worker_healthcheck=60,
        )


@contextmanager
def shared_counts() -> Iterator[None]:
    """A folder in which several workers share their counts. One that is alone has none to leave when it is killed."""
    with tempfile.TemporaryDirectory(prefix="echolead-metrics-") as folder:
        os.environ[MULTI_PROCESS_DIR] = folder
        uvicorn_workers.install()
        yield


if __name__ == "__main__":
    main()
