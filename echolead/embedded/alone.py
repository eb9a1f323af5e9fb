"""One part of the stack by itself, without a supervisor."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from echolead.embedded.part import Part, PartFailed, stop, tail


def wait_until_ready(part: Part, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Block until `part` serves. Raises `PartFailed` when it ends or does not serve in time."""
    deadline = time.monotonic() + part.ready_timeout_seconds
    missing: str | None = "was not asked yet"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise PartFailed(f"{part.name} ended with status {process.returncode}:\n{tail(log)}")
        missing = part.ready()
        if missing is None:
            return
        time.sleep(0.05)
    raise PartFailed(f"{part.name} is not ready after {part.ready_timeout_seconds:.0f} s: {missing}\n{tail(log)}")


@contextmanager
def running(part: Part, log_dir: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run one part without a supervisor: ready on entry, stopped on exit."""
    log_dir.mkdir(parents=True, exist_ok=True)
    log = log_dir / f"{part.name}.log"
    with log.open("ab") as output:
        process = part.popen(output.fileno())
    try:
        wait_until_ready(part, process, log)
        yield process
    finally:
        stop(part, process)
