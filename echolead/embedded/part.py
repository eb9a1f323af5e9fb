"""A part of the embedded stack: one process, how it starts, and its health check."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


class PartFailed(RuntimeError):
    """A part could not be started; the message names the part, the cause and the log."""


@dataclass(frozen=True)
class Part:
    """One process of the stack.

    `ready` is a real health check with its own short time-out: it asks the service, not the process table. It returns
    None if the part serves, else a sentence with what is missing.
    """

    name: str
    command: list[str]
    ready: Callable[[], str | None]
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    as_user: int | None = None  # uid to drop to; only meaningful as root
    directory: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_seconds: float = 20.0
    ready_timeout_seconds: float = 60.0
    port: int | None = None  # where it listens, for the tables of `up` and `status`
    is_step: bool = False  # a set-up step: it is ready when it has ended with status 0, and is not restarted
    stop_group: bool = False  # send the stop signal to its children as well: the parent does not forward it

    def popen(self, output: int) -> "subprocess.Popen[bytes]":
        """Start the process in its own group, its output going to the file descriptor `output`."""
        identity = {} if self.as_user is None else {"user": self.as_user, "group": self.as_user, "extra_groups": []}
        process: subprocess.Popen[bytes] = subprocess.Popen(
            self.command,
            env={**_inherited(), **self.environment},
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **identity,  # type: ignore[call-overload]
        )
        return process


def _inherited() -> dict[str, str]:
    """The own environment without EchoLead's settings, which may be secret: a part gets them from its file."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ECHOLEAD_")}


def python(*arguments: str) -> list[str]:
    """Command line of this interpreter running a module: `python("-m", "x")`."""
    return [sys.executable, *arguments]


def port_is_open(host: str, port: int, timeout_seconds: float = 0.5) -> bool:
    """Whether something accepts TCP connections there."""
    try:
        with socket.create_connection((host, port), timeout=timeout_seconds):
            return True
    except OSError:
        return False


def socket_is_open(path: Path, timeout_seconds: float = 0.5) -> bool:
    """Whether something accepts connections at a Unix domain socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(timeout_seconds)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    if not log.exists():
        return f"(no log at {log})"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def stop(part: Part, process: "subprocess.Popen[bytes]") -> None:
    """Ask the process to end, and kill its whole group after a time-out."""
    if process.poll() is None:
        if part.stop_group:
            signal_group(process.pid, part.stop_signal)
        else:
            process.send_signal(part.stop_signal)
        with suppress(subprocess.TimeoutExpired):
            process.wait(part.stop_timeout_seconds)
    # Processes left in the group are children that outlived their parent, or a part that ignored the signal.
    signal_group(process.pid, signal.SIGKILL)
    process.wait(5)


def signal_group(group: int, number: signal.Signals) -> None:
    """Send a signal to every process of a group, which may have ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
