"""The processes of a supervisor (`<data_dir>/stack.json`), and how to end those that a killed supervisor left.

The file has each process's id and start time, so that a later process with the same id is not touched. Run as a module
this is the guard of a supervisor: it waits for the end of its input, which closes when the supervisor ends for any
reason, also after `kill -9`, and then ends the parts.
"""

import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from echolead.embedded.part import PartFailed

STATE_FILE = "stack.json"
LOCK_FILE = "stack.lock"
# Start times of two processes with one id differ by more than this; adjustments of the clock are smaller.
START_TIME_TOLERANCE_SECONDS = 2.0
LEFTOVER_STOP_SECONDS = 15.0


class AlreadyRunning(PartFailed):
    """Another supervisor holds this data directory; the message names its process."""


@dataclass
class PartRecord:
    """One part in the supervisor's record, as `echolead status` shows it."""

    name: str
    state: str  # waiting, starting, ready, not answering, restarting, done, failed, stopped
    port: int | None = None
    pid: int | None = None
    process_started_at: float | None = None  # as the system reports it; together with the id it identifies the process
    stop_signal: int = int(signal.SIGTERM)
    restarts: int = 0
    missing: str | None = None  # one sentence on why it does not serve yet
    ready_after_seconds: float | None = None


@dataclass
class StackRecord:
    """The supervisor and its parts, in start order."""

    supervisor_pid: int
    supervisor_started_at: float
    facts: dict[str, Any] = field(default_factory=dict)  # port base and addresses, for the table
    parts: list[PartRecord] = field(default_factory=list)

    def is_running(self) -> bool:
        """Whether the supervisor that wrote this runs."""
        return _alive(self.supervisor_pid, self.supervisor_started_at) is not None


def write_record(data_dir: Path, record: StackRecord) -> None:
    """Replace the state file in one step: a reader sees the old or the new one.

    Only its owner may read it: the addresses contain the demo user's password.
    """
    temporary = data_dir / f"{STATE_FILE}.new"
    temporary.touch(0o600)
    temporary.chmod(0o600)
    temporary.write_text(json.dumps(asdict(record), indent=1))
    temporary.replace(data_dir / STATE_FILE)


def read_record(data_dir: Path) -> StackRecord | None:
    """The last state written for this data directory; None when there never was a stack."""
    try:
        raw = json.loads((data_dir / STATE_FILE).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return StackRecord(**{**raw, "parts": [PartRecord(**part) for part in raw["parts"]]})


@contextmanager
def exclusive(data_dir: Path) -> Iterator[None]:
    """Lock the data directory. The system releases the lock however the process ends. Raises `AlreadyRunning`."""
    descriptor = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
            raise AlreadyRunning(
                f"A stack is already running on {data_dir} (process {holder}). Use it, stop it with `kill {holder}`, "
                f"or choose another directory and ports with --data-dir and --port-base."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def own_start_time(pid: int) -> float:
    """Start time of a process, as the record keeps it."""
    return psutil.Process(pid).create_time()


def leftovers(record: StackRecord, data_dir: Path) -> list[tuple[PartRecord, psutil.Process]]:
    """Running processes of the recorded parts: the part itself and the rest of its session."""
    sessions = {part.pid: part for part in record.parts if part.pid is not None}
    found = []
    for process in psutil.process_iter():
        try:
            part = sessions.get(os.getsid(process.pid))
            if part is not None and _is_ours(process, part, data_dir):
                found.append((part, process))
        except (ProcessLookupError, psutil.Error):
            continue
    return found


def end_leftovers(data_dir: Path) -> list[str]:
    """End the parts that a dead supervisor left: first with their stop signal, then SIGKILL. Returns their names."""
    record = read_record(data_dir)
    if record is None or record.is_running():
        return []
    names: set[str] = set()
    deadline = time.monotonic() + LEFTOVER_STOP_SECONDS
    asked: set[int] = set()
    while found := leftovers(record, data_dir):
        names.update(part.name for part, _ in found)
        for part, process in found:
            if time.monotonic() > deadline:
                _signal(process, signal.SIGKILL)
            elif process.pid not in asked:
                _signal(process, part.stop_signal)
                asked.add(process.pid)
        time.sleep(0.1)
    return sorted(names)


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _is_ours(process: psutil.Process, part: PartRecord, data_dir: Path) -> bool:
    if process.status() == psutil.STATUS_ZOMBIE:
        return False
    if part.pid is not None and psutil.pid_exists(part.pid):
        return _same_start(psutil.Process(part.pid), part.process_started_at)
    # The leader has ended, and its id may belong to another session: the environment distinguishes them.
    return process.environ().get("ECHOLEAD_DATA_DIR") == str(data_dir)


def _alive(pid: int | None, started_at: float | None) -> psutil.Process | None:
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
        is_same = _same_start(process, started_at) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if is_same else None


def _same_start(process: psutil.Process, started_at: float | None) -> bool:
    return started_at is not None and abs(process.create_time() - started_at) < START_TIME_TOLERANCE_SECONDS


def guard(data_dir: Path) -> None:
    """Wait until the supervisor at the other end of the input has ended, then end its parts."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    record = read_record(data_dir)
    while record is not None and record.is_running():  # its files close slightly before it ends
        time.sleep(0.05)
    end_leftovers(data_dir)


if __name__ == "__main__":
    guard(Path(sys.argv[1]))
