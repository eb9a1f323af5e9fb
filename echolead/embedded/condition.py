"""The present condition of a stack: the supervisor's record, checked against the running processes."""

from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from echolead.embedded import registry
from echolead.embedded.registry import PartRecord
from echolead.operational.live_steps import trouble
from echolead.settings import load_settings


@dataclass(frozen=True)
class PartCondition:
    """One line of `echolead status`."""

    name: str
    state: str
    port: int | None
    pid: int | None
    restarts: int
    memory_mb: float  # of the part and all its children
    readiness: str


@dataclass(frozen=True)
class Condition:
    """The whole stack. `is_up`: the supervisor runs and every part serves."""

    is_up: bool
    summary: str
    supervisor_pid: int | None
    memory_mb: float
    parts: list[PartCondition]
    addresses: list[dict[str, str]]
    trouble: list[str]  # a sentence for each step of the live path that fails

    @property
    def is_well(self) -> bool:
        """Whether every part serves and no step fails."""
        return self.is_up and not self.trouble


def condition(data_dir: Path) -> Condition:
    """The stack of this data directory, running or not."""
    record = registry.read_record(data_dir)
    if record is None:
        return Condition(False, f"No stack was ever started in {data_dir}.", None, 0, [], [], [])
    is_running = record.is_running()
    parts = [_part(each, is_running) for each in record.parts]
    total = _memory_mb(record.supervisor_pid) if is_running else 0.0  # the parts are its children
    waiting = [part.name for part in parts if part.state not in ("ready", "done")]
    if not is_running:
        summary = f"The stack in {data_dir} is not running."
    elif waiting:
        summary = f"Process {record.supervisor_pid} runs the stack; not serving: {', '.join(waiting)}."
    else:
        summary = f"Everything is up, run by process {record.supervisor_pid}, {total:.0f} MB in all."
    pid = record.supervisor_pid if is_running else None
    addresses = record.facts.get("addresses", [])
    troubles = _trouble(data_dir) if is_running else []
    if troubles and not waiting:
        summary = f"Every part serves, run by process {record.supervisor_pid}, but: {'; '.join(troubles)}"
    return Condition(is_running and not waiting, summary, pid, round(total, 1), parts, addresses, troubles)


def _trouble(data_dir: Path) -> list[str]:
    """The failing steps of the live path; empty if the database does not answer: its part is then not serving."""
    url = load_settings(data_dir).postgres_system_url.get_secret_value()
    try:
        with psycopg.connect(url, connect_timeout=2, options="-c statement_timeout=2000") as connection:
            return trouble(connection)
    except psycopg.Error:
        return []


def _part(record: PartRecord, is_running: bool) -> PartCondition:
    """The recorded state, which is valid only while the supervisor that wrote it runs."""
    state = record.state if is_running or record.state in ("stopped", "done", "failed") else "gone"
    if state == "ready":
        took = f" after {record.ready_after_seconds} s" if record.ready_after_seconds is not None else ""
        readiness = f"serves{took}"
    elif state == "done":
        readiness = "set up"
    else:
        readiness = record.missing or ""
    pid = record.pid if state not in ("stopped", "done", "failed", "gone") else None
    return PartCondition(record.name, state, record.port, pid, record.restarts, round(_memory_mb(pid), 1), readiness)


def _memory_mb(pid: int | None) -> float:
    """Memory of a process and all its children in MB; shared memory counts once if the system reports it."""
    if pid is None:
        return 0.0
    total = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0.0
    for process in family:
        try:
            total += getattr(process.memory_full_info(), "pss", 0) or process.memory_info().rss
        except psutil.Error:  # it has just ended
            continue
    return total / 1e6
