"""A whole stack, started as a person starts it, on ports and a folder of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from echolead.ports import Port
from tests.e2e.stack import free_base

START_SECONDS = 900  # on a busy machine; a quiet one needs a small part of it
Value = TypeVar("Value")


@dataclass
class Running:
    """A data directory, its ports, and the `echolead up` that runs on them."""

    data_dir: Path
    port_base: int
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """`echolead up`, until everything serves."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(self.command("up"), stdout=output, stderr=output, env=environment())
        eventually("everything serves", self._is_up, START_SECONDS)

    def command(self, *words: str) -> list[str]:
        """An `echolead` command line on this stack."""
        where = ["--data-dir", str(self.data_dir)]
        ports = ["--port-base", str(self.port_base)] if words[0] == "up" else []
        return [sys.executable, "-m", "echolead", *words, *where, *ports]

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run an `echolead` command to its end."""
        return subprocess.run(
            self.command(*words), capture_output=True, text=True, timeout=300, check=False, env=environment()
        )

    def status(self) -> dict[str, Any]:
        """What `echolead status --json` says."""
        found: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return found

    def part(self, name: str) -> dict[str, Any]:
        """One part of the status."""
        return next(part for part in self.status()["parts"] if part["name"] == name)

    def url(self, port: Port, path: str = "/") -> str:
        """A page of one of the parts."""
        return f"http://127.0.0.1:{port.of(self.port_base)}{path}"

    def _is_up(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail(f"`echolead up` ended with status {self.process.returncode}:\n{self.log.read_text()[-3000:]}")
        return self.status()["is_up"] is True


def environment() -> dict[str, str]:
    """Ours without any setting of EchoLead's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ECHOLEAD_")}


def eventually(what: str, probe: Callable[[], Value | None], seconds: float) -> Value:
    """The first answer of `probe` that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := probe():
            return found
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


@contextmanager
def folder() -> Iterator[Path]:
    """A folder other users may enter, as PostgreSQL needs when we are root."""
    path = Path(tempfile.mkdtemp(prefix="echolead-stack-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def stack() -> Iterator[Running]:
    """A running stack with the demo tenant."""
    with folder() as path:
        running = Running(path / "var", free_base(), path / "up.log")
        try:
            running.start()
            yield running
        finally:
            if running.process is not None and running.process.poll() is None:
                running.process.terminate()
                running.process.wait(120)
