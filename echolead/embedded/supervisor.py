"""The supervisor: starts the parts of a stack in dependency order, keeps them up, and stops them in reverse.

Each part has a thread: it waits for the parts named in `after`, starts the process, runs its health check, and restarts
it when it ends. The reasons for an own supervisor are in docs/decisions/0001-supervisor.md.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from echolead.embedded import registry
from echolead.embedded.part import Part, PartFailed, signal_group, stop, tail
from echolead.embedded.registry import PartRecord, StackRecord

FIRST_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 30.0
STABLE_AFTER_SECONDS = 60.0
"""When a part ends after serving this long, its back-off starts again."""
START_ATTEMPTS = 3
"""How often a part may end before it has ever served; after that the start of the whole stack fails."""
READY_POLL_SECONDS = 0.1
HEALTH_INTERVAL_SECONDS = 10.0
WATCH_SECONDS = 0.25
LOG_BYTES = 5 * 1024 * 1024
LOGS_KEPT = 3
STATE_INTERVAL_SECONDS = 0.25


class Listener:
    """Receives the parts' output and changes. This base class ignores both."""

    def line(self, part: str, text: str) -> None:
        """A part printed a line."""

    def notice(self, part: str, text: str) -> None:
        """The supervisor reports a change of a part."""


@dataclass(frozen=True)
class Backoff:
    """Delay before the next start: doubled at each end up to a maximum, and reset after a stable time."""

    first_seconds: float = FIRST_DELAY_SECONDS
    max_seconds: float = MAX_DELAY_SECONDS
    stable_after_seconds: float = STABLE_AFTER_SECONDS

    def next(self, previous_seconds: float, served_seconds: float) -> float:
        """Delay after an end, from the previous delay and the time the part served since."""
        if previous_seconds == 0 or served_seconds >= self.stable_after_seconds:
            return self.first_seconds
        return min(previous_seconds * 2, self.max_seconds)


class RotatingLog:
    """A part's log file: at most `LOGS_KEPT` files of `LOG_BYTES` each, the newest without a number."""

    def __init__(self, path: Path, max_bytes: int = LOG_BYTES, kept: int = LOGS_KEPT) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.kept = kept

    def copy(self, output: IO[bytes], line_read: Callable[[bytes], None]) -> None:
        """Append every line of `output` until it ends, and pass each to `line_read`."""
        file = self.path.open("ab")
        try:
            for line in output:
                if file.tell() + len(line) > self.max_bytes:
                    file.close()
                    self._rotate()
                    file = self.path.open("ab")
                file.write(line)
                file.flush()
                line_read(line)
        finally:
            file.close()

    def _rotate(self) -> None:
        for number in range(self.kept - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            newer = self.path if number == 1 else self.path.with_name(f"{self.path.name}.{number - 1}")
            if newer.exists():
                newer.replace(older)


class PartThread(threading.Thread):
    """Keeps one part running, from its first start to the stop of the stack."""

    def __init__(self, part: Part, supervisor: "Supervisor") -> None:
        super().__init__(name=f"part-{part.name}", daemon=True)
        self.part = part
        self.supervisor = supervisor
        self.record = PartRecord(part.name, "waiting", part.port, stop_signal=int(part.stop_signal))
        self.log = RotatingLog(supervisor.log_dir / f"{part.name}.log")
        self.is_ready = threading.Event()
        self.has_stopped = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None
        self._copier: threading.Thread | None = None
        self._ends = 0
        self._delay_seconds = 0.0

    def run(self) -> None:
        """Wait for the parts that this one needs, then keep it running until the stack stops."""
        try:
            if self._wait_for(self.part.after):
                self._keep_up()
        except Exception as error:  # a defect in this thread must end the stack, or the part would be unsupervised
            self.supervisor.give_up(f"{self.part.name}: {type(error).__name__}: {error}")
        finally:
            self._stop_after_dependents()
            self.has_stopped.set()

    def _keep_up(self) -> None:
        while not self.supervisor.stopping.is_set():
            served_seconds = self._run_once()
            if self.record.state == "done":  # it keeps its place in the order of stopping
                self.supervisor.stopping.wait()
            if self.record.state == "failed" or self.supervisor.stopping.is_set():
                return
            self._delay_seconds = self.supervisor.backoff.next(self._delay_seconds, served_seconds)
            self.record.state = "restarting"
            self.record.missing = f"ended; starts again in {self._delay_seconds:.1f} s"
            self.supervisor.changed()
            self.supervisor.stopping.wait(self._delay_seconds)
            self.record.restarts += 1

    def _run_once(self) -> float:
        """Start the process and supervise it until it ends. Returns the seconds for which it served."""
        started = time.monotonic()
        self.process = self._start()
        ready_since = self._wait_until_ready(self.process, started)
        if ready_since is not None:
            self._watch(self.process)
        if self.supervisor.stopping.is_set():
            return 0
        status = self.process.wait()
        self._end(self.process)  # remaining children
        if self.part.is_step and status == 0:
            self._set("done", None)
            self.is_ready.set()
            return 0
        self._note_end(status)
        return 0 if ready_since is None else time.monotonic() - ready_since

    def _note_end(self, status: int) -> None:
        self._ends += 1
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        self.supervisor.listener.notice(self.part.name, f"{how}; its log: {self.log.path}")
        if not self.is_ready.is_set() and self._ends >= START_ATTEMPTS:
            self._set("failed", f"{how} {self._ends} times before it served")
            self.supervisor.give_up(f"{self.part.name} {self.record.missing}:\n{tail(self.log.path)}")

    def _start(self) -> "subprocess.Popen[bytes]":
        reading, writing = os.pipe()
        try:
            process = self.part.popen(writing)
        except OSError as error:
            os.close(reading)
            raise PartFailed(f"{self.part.command[0]} could not be started: {error}") from error
        finally:
            os.close(writing)
        self._copier = threading.Thread(target=self._copy_output, args=(reading,), daemon=True)
        self._copier.start()
        self.record.pid = process.pid
        self.record.process_started_at = registry.own_start_time(process.pid)
        self._set("starting", None)
        return process

    def _copy_output(self, reading: int) -> None:
        with os.fdopen(reading, "rb") as output:
            self.log.copy(output, self._hear)

    def _hear(self, line: bytes) -> None:
        self.supervisor.listener.line(self.part.name, line.decode(errors="replace").rstrip("\n"))

    def _wait_until_ready(self, process: "subprocess.Popen[bytes]", started: float) -> float | None:
        """When the part began to serve; None if it ended, the stack stops, or it took too long and was stopped."""
        while not self.supervisor.stopping.is_set() and process.poll() is None:
            if not self.part.is_step:
                self.record.missing = self._ask()
                if self.record.missing is None:
                    self.record.ready_after_seconds = round(time.monotonic() - started, 2)
                    self._set("ready", None)
                    self.is_ready.set()
                    return time.monotonic()
            if time.monotonic() - started > self.part.ready_timeout_seconds:
                self.supervisor.listener.notice(self.part.name, f"does not serve in time: {self.record.missing}")
                self._end(process)
                return None
            time.sleep(READY_POLL_SECONDS)
        return None

    def _watch(self, process: "subprocess.Popen[bytes]") -> None:
        """Run the health check regularly until the process ends or the stack stops.

        A part that does not answer is reported, not stopped: a busy warehouse is worth more than a restarted one.
        """
        next_check = time.monotonic() + HEALTH_INTERVAL_SECONDS
        while not self.supervisor.stopping.wait(WATCH_SECONDS):  # Popen.wait would poll twenty times a second
            if process.poll() is not None:
                return
            if time.monotonic() > next_check:
                missing = self._ask()
                self._set("ready" if missing is None else "not answering", missing)
                next_check = time.monotonic() + HEALTH_INTERVAL_SECONDS

    def _ask(self) -> str | None:
        try:
            return self.part.ready()
        except Exception as error:  # a failing health check is a result and must not end the stack
            return f"its health check failed: {type(error).__name__}: {error}"

    def _wait_for(self, names: Sequence[str]) -> bool:
        for name in names:
            while not self.supervisor.threads[name].is_ready.wait(0.1):
                if self.supervisor.stopping.is_set():
                    return False
        return not self.supervisor.stopping.is_set()

    def _stop_after_dependents(self) -> None:
        if self.supervisor.stopping.is_set():
            for other in self.supervisor.threads.values():
                if self.part.name in other.part.after:
                    other.has_stopped.wait()
            if self.process is not None:
                self._end(self.process)
            if self.record.state not in ("done", "failed"):
                self._set("stopped", None)

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        stop(self.part, process)
        if self._copier is not None:  # the rest of its output
            self._copier.join(1)

    def _set(self, state: str, missing: str | None) -> None:
        if (state, missing) != (self.record.state, self.record.missing):
            self.record.state, self.record.missing = state, missing
            self.supervisor.changed()


class Supervisor:
    """Runs parts until a signal arrives or a part cannot be started."""

    def __init__(
        self,
        parts: Sequence[Part],
        data_dir: Path,
        *,
        listener: Listener | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.log_dir = data_dir / "logs"
        self.log_dir.mkdir(parents=True, exist_ok=True)
        self.listener = listener or Listener()
        self.backoff = backoff or Backoff()
        self.stopping = threading.Event()
        self.failure: str | None = None
        self.threads = {part.name: PartThread(part, self) for part in in_dependency_order(parts)}
        pid = os.getpid()
        records = [thread.record for thread in self.threads.values()]
        self.record = StackRecord(pid, registry.own_start_time(pid), parts=records)
        self._lock = threading.Lock()
        self._is_written = False

    def changed(self) -> None:
        """Write the state file after a change."""
        with self._lock:
            registry.write_record(self.data_dir, self.record)

    def give_up(self, reason: str) -> None:
        """Stop the stack because a part cannot be kept running; `run` raises the error."""
        self.failure = self.failure or reason
        self.stopping.set()

    def stop(self) -> None:
        """Ask every part to end, dependent parts first."""
        self.stopping.set()

    def end_at_once(self) -> None:
        """End every process now."""
        for thread in self.threads.values():
            if thread.process is not None and thread.process.poll() is None:
                signal_group(thread.process.pid, signal.SIGKILL)

    @property
    def is_up(self) -> bool:
        """Whether every part serves and every set-up step is done."""
        return all(thread.is_ready.is_set() for thread in self.threads.values())

    def run(self, every: Callable[[], None] = lambda: None) -> None:
        """Start everything and return when everything has stopped; `every` is called some times a second.

        The caller holds the directory (`registry.exclusive`) and has ended the leftovers of an earlier stack
        (`registry.end_leftovers`). Raises `PartFailed` if a part cannot be started.
        """
        self.changed()
        with self._guarded(), self._signals():
            for thread in self.threads.values():
                thread.start()
            while not all(thread.has_stopped.is_set() for thread in self.threads.values()):
                every()
                time.sleep(STATE_INTERVAL_SECONDS)
            every()
        if self.failure is not None:
            raise PartFailed(self.failure)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Start the guard, a process that ends the parts if the supervisor is killed."""
        guard = subprocess.Popen(
            [sys.executable, "-m", "echolead.embedded.registry", str(self.data_dir)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            yield
        finally:
            # Everything has stopped: the guard has nothing to clean up.
            guard.kill()
            guard.communicate()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """The first SIGINT or SIGTERM stops the parts in order, the second kills them."""

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            if self.stopping.is_set():
                self.end_at_once()
            self.stopping.set()

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def in_dependency_order(parts: Sequence[Part]) -> list[Part]:
    """The parts, each after those it depends on. Raises `ValueError` for an unknown name or a circle."""
    names = {part.name for part in parts}
    for part in parts:
        if unknown := set(part.after) - names:
            raise ValueError(f"{part.name} comes after {', '.join(sorted(unknown))}, which is not part of this stack")
    ordered: list[Part] = []
    left = list(parts)
    while left:
        placed = {part.name for part in ordered}
        nexts = [part for part in left if set(part.after) <= placed]
        if not nexts:
            raise ValueError(f"these parts wait for each other: {', '.join(part.name for part in left)}")
        ordered += nexts
        left = [part for part in left if part not in nexts]
    return ordered
