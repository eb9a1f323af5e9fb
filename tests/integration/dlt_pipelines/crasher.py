"""Loaders that die: each in a process of its own, ended by SIGKILL at the step that the test names.

Importing dlt takes seconds, so one process imports it and forks a loader for each order it reads.
"""

import json
import os
import signal
import subprocess
import sys
from types import TracebackType
from typing import Self

from echolead.settings import Settings

HOLD = "hold"


class Crasher:
    """`crash(settings, step)` runs a loader up to the end of `step` and kills it there."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.dlt_pipelines.crasher"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def crash(self, settings: Settings, step: str) -> None:
        """Returns when the loader is dead."""
        assert self._order(settings, step) == {"step": step, "status": -signal.SIGKILL}

    def hold(self, settings: Settings) -> int:
        """Start a loader that takes the lease, pulls once and then does nothing; returns its process id."""
        return int(str(self._order(settings, HOLD)["pid"]))

    def _order(self, settings: Settings, step: str) -> dict[str, object]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        known = {"data_dir", "clickhouse_url", "postgres_loader_url", "nats_loader_url"}
        plain = {
            name: value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
            for name, value in settings
            if name in known
        }
        self._process.stdin.write(json.dumps({"settings": plain, "step": step}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, object] = json.loads(self._process.stdout.readline())
        return answer


def serve() -> None:
    """Fork a loader for each line read, and say how it ended."""
    import pyarrow as pa  # noqa: PLC0415  # imported once, before the forks

    from dlt_pipelines import raw  # noqa: PLC0415
    from dlt_pipelines.collector import loader  # noqa: PLC0415

    # Each imports much more at its first use.
    pa.array(["a"])
    raw.schema("collector")
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for line in sys.stdin:
        order = json.loads(line)
        ready, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(ready)
            _load(loader, Settings(**order["settings"]), order["step"], tell)
            os._exit(0)
        os.close(tell)
        if order["step"] == HOLD:
            os.read(ready, 1)
            answer = {"pid": child}
        else:
            _, status = os.waitpid(child, 0)
            answer = {"step": order["step"], "status": os.waitstatus_to_exitcode(status)}
        os.close(ready)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _load(loader, settings: Settings, step: str, tell: int) -> None:  # type: ignore[no-untyped-def]
    def on_step(reached: str) -> None:
        if step == HOLD and reached == "pulled":
            os.write(tell, b".")
            signal.pause()
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    with loader.EventLoader(settings, on_step) as running:
        running.load_once(10)


if __name__ == "__main__":
    serve()
