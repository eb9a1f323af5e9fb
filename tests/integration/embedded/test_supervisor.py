"""The supervisor with small real processes: order, restarts, logs, stopping, and leftovers of `kill -9`."""

import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from echolead.embedded import registry
from echolead.embedded.part import Part, PartFailed, python
from echolead.embedded.registry import AlreadyRunning
from echolead.embedded.supervisor import Backoff, Listener, RotatingLog, Supervisor, in_dependency_order

PATIENCE_SECONDS = 20
NO_DELAY = Backoff(first_seconds=0.05, max_seconds=0.2, stable_after_seconds=60)

SERVE = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); print('serving', flush=True); time.sleep(600)"


def server(directory: Path, name: str, *, after: tuple[str, ...] = (), script: str = SERVE) -> Part:
    """A process that serves once its file is there."""
    sign = directory / f"{name}.up"

    def missing() -> str | None:
        return None if sign.exists() else f"{sign.name} is not there"

    return Part(name, python("-c", script, str(sign)), missing, after=after, stop_timeout_seconds=5)


def step(name: str, script: str, *, after: tuple[str, ...] = ()) -> Part:
    return Part(name, python("-c", script), lambda: None, after=after, is_step=True)


class Ear(Listener):
    """Records the reports of the supervisor."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.notices: list[str] = []

    def line(self, part: str, text: str) -> None:
        self.lines.append(f"{part} {text}")

    def notice(self, part: str, text: str) -> None:
        self.notices.append(f"{part} {text}")


def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"waited {PATIENCE_SECONDS} s for this: {what}"
        time.sleep(0.02)


@contextmanager
def supervised(supervisor: Supervisor) -> Iterator[Supervisor]:
    """Run in a thread while the block lasts; everything is up on entry."""
    caught: list[BaseException] = []

    def run() -> None:
        try:
            supervisor.run()
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        until(lambda: supervisor.is_up or not thread.is_alive(), "every part serves")
        assert not caught, caught
        yield supervisor
    finally:
        supervisor.stop()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def pid_of(supervisor: Supervisor, name: str) -> int:
    pid = supervisor.threads[name].record.pid
    assert pid is not None
    return pid


def test_a_part_starts_only_when_the_parts_before_it_serve_and_stops_before_them(tmp_path: Path) -> None:
    slow = "import pathlib, sys, time; time.sleep(0.5); pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    dependent = f"import pathlib; assert pathlib.Path({str(tmp_path / 'database.up')!r}).exists()\n{SERVE}"
    parts = [
        server(tmp_path, "api", after=("database", "migrate"), script=dependent),
        step("migrate", f"import pathlib; assert pathlib.Path({str(tmp_path / 'database.up')!r}).exists()",
             after=("database",)),
        server(tmp_path, "database", script=slow),
    ]  # fmt: skip
    supervisor = Supervisor(parts, tmp_path)
    ends: list[str] = []

    with supervised(supervisor):
        assert [thread.record.state for thread in supervisor.threads.values()] == ["ready", "done", "ready"]
        assert {thread.record.restarts for thread in supervisor.threads.values()} == {0}
        watched = {name: psutil.Process(pid_of(supervisor, name)) for name in ("api", "database")}

        def note_ends() -> None:
            while watched:
                for name in [name for name, process in watched.items() if not process.is_running()]:
                    ends.append(name)
                    del watched[name]

        watcher = threading.Thread(target=note_ends)
        watcher.start()
    watcher.join(PATIENCE_SECONDS)
    assert ends == ["api", "database"]


def test_a_part_that_is_killed_starts_again_and_the_others_stay(tmp_path: Path) -> None:
    ear = Ear()
    parts = [server(tmp_path, "queue"), server(tmp_path, "api", after=("queue",))]
    supervisor = Supervisor(parts, tmp_path, listener=ear, backoff=NO_DELAY)
    with supervised(supervisor):
        api, queue = pid_of(supervisor, "api"), pid_of(supervisor, "queue")
        os.kill(api, signal.SIGKILL)
        record = supervisor.threads["api"].record
        until(lambda: record.restarts == 1 and record.state == "ready", "api serves again")
        assert pid_of(supervisor, "api") != api
        assert pid_of(supervisor, "queue") == queue
    assert any("api was killed by SIGKILL" in notice for notice in ear.notices)


def test_the_delay_doubles_up_to_a_bound_and_starts_anew_after_a_stable_time() -> None:
    backoff = Backoff(first_seconds=1, max_seconds=5, stable_after_seconds=60)
    delays = [0.0]
    for _ in range(5):
        delays.append(backoff.next(delays[-1], served_seconds=3))
    assert delays == [0, 1, 2, 4, 5, 5]
    assert backoff.next(5, served_seconds=61) == 1


def test_a_part_that_never_serves_ends_the_start_with_its_output(tmp_path: Path) -> None:
    broken = server(tmp_path, "api", script="import sys; sys.exit('no licence in this directory')")
    with pytest.raises(PartFailed, match=r"api ended with status 1 3 times before it served:\n(.|\n)*no licence"):
        Supervisor([server(tmp_path, "queue"), broken], tmp_path, backoff=NO_DELAY).run()
    record = registry.read_record(tmp_path)
    assert record is not None
    assert {part.name: part.state for part in record.parts} == {"queue": "stopped", "api": "failed"}


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    missing = Part("queue", [str(tmp_path / "no-such-program")], lambda: None)
    with pytest.raises(PartFailed, match="no-such-program could not be started"):
        Supervisor([missing], tmp_path).run()


def test_a_second_supervisor_on_the_same_directory_is_refused_and_names_the_holder(tmp_path: Path) -> None:
    with (
        supervisor_process(tmp_path) as first,
        pytest.raises(AlreadyRunning, match=rf"process {first.pid}\b"),
        registry.exclusive(tmp_path),
    ):
        pytest.fail("two supervisors hold one directory")


def test_children_of_a_part_end_with_it(tmp_path: Path) -> None:
    note = tmp_path / "child.pid"
    parent = f"""
        import pathlib, subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pathlib.Path({str(note)!r}).write_text(str(child.pid))
        pathlib.Path(sys.argv[1]).touch()
        time.sleep(600)
    """
    with supervised(Supervisor([server(tmp_path, "code", script=textwrap.dedent(parent))], tmp_path)):
        child = psutil.Process(int(note.read_text()))
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the child is gone")


def test_output_goes_to_the_parts_log_and_to_the_listener(tmp_path: Path) -> None:
    ear = Ear()
    with supervised(Supervisor([server(tmp_path, "api")], tmp_path, listener=ear)):
        until(lambda: "api serving" in ear.lines, "the line is heard")
    assert (tmp_path / "logs" / "api.log").read_text() == "serving\n"


def test_a_log_keeps_its_newest_lines_in_a_bounded_number_of_bounded_files(tmp_path: Path) -> None:
    log = RotatingLog(tmp_path / "api.log", max_bytes=100, kept=3)
    log.copy(io.BytesIO(b"".join(b"line %04d\n" % number for number in range(100))), lambda _line: None)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["api.log", "api.log.1", "api.log.2"]
    assert all(file.stat().st_size <= 100 for file in files)
    assert files[0].read_text().endswith("line 0099\n")


def test_a_part_that_stops_answering_is_reported_and_not_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("echolead.embedded.supervisor.HEALTH_INTERVAL_SECONDS", 0.1)
    supervisor = Supervisor([server(tmp_path, "api")], tmp_path)
    with supervised(supervisor):
        pid = pid_of(supervisor, "api")
        (tmp_path / "api.up").unlink()
        record = supervisor.threads["api"].record
        until(lambda: record.state == "not answering", "the state says so")
        assert record.missing == "api.up is not there"
        (tmp_path / "api.up").touch()
        until(lambda: record.state == "ready", "it serves again")
        assert record.pid == pid


@pytest.mark.parametrize(
    ("after", "message"),
    [
        pytest.param({"a": ("z",)}, "a comes after z, which is not part of this stack", id="an unknown part"),
        pytest.param({"a": ("b",), "b": ("a",)}, "these parts wait for each other: a, b", id="a circle"),
    ],
)
def test_an_impossible_order_is_refused(after: dict[str, tuple[str, ...]], message: str) -> None:
    parts = [Part(name, ["true"], lambda: None, after=names) for name, names in after.items()]
    with pytest.raises(ValueError, match=message):
        in_dependency_order(parts)


STACK_OF_TWO = """
    import pathlib, sys
    sys.path.insert(0, {here!r})
    from test_supervisor import SERVE, server
    from echolead.embedded import registry
    from echolead.embedded.supervisor import Supervisor
    directory = pathlib.Path({directory!r})
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n" + SERVE
    parts = [server(directory, "queue"), server(directory, "api", after=("queue",), script={api})]
    with registry.exclusive(directory):
        Supervisor(parts, directory).run()
"""


@contextmanager
def supervisor_process(directory: Path, api: str = "SERVE") -> Iterator["subprocess.Popen[bytes]"]:
    """A supervisor in a process of its own, its two parts up."""
    script = textwrap.dedent(STACK_OF_TWO.format(here=str(Path(__file__).parent), directory=str(directory), api=api))
    process = subprocess.Popen([sys.executable, "-c", script])
    try:
        until(lambda: states(directory) == ["ready", "ready"], "both parts serve")
        yield process
    finally:
        process.kill()
        process.wait()
        until(lambda: not live(directory), "its guard ended the parts")


def states(directory: Path) -> list[str]:
    record = registry.read_record(directory)
    return [] if record is None else [part.state for part in record.parts]


def live(directory: Path) -> list[str]:
    record = registry.read_record(directory)
    return [] if record is None else [part.name for part, _ in registry.leftovers(record, directory)]


def test_kill_9_of_the_supervisor_leaves_no_process_behind(tmp_path: Path) -> None:
    with supervisor_process(tmp_path) as supervisor:
        assert sorted(live(tmp_path)) == ["api", "queue"]
        supervisor.kill()
        supervisor.wait()
        until(lambda: not live(tmp_path), "the parts are gone")


def test_kill_9_of_the_supervisor_and_its_guard_is_cleaned_up_by_the_next_start(tmp_path: Path) -> None:
    with supervisor_process(tmp_path) as supervisor:
        for guard in psutil.Process(supervisor.pid).children():
            if "echolead.embedded.registry" in guard.cmdline():
                guard.kill()
        supervisor.kill()
        supervisor.wait()
        assert sorted(live(tmp_path)) == ["api", "queue"]
        with registry.exclusive(tmp_path):
            assert registry.end_leftovers(tmp_path) == ["api", "queue"]
        assert live(tmp_path) == []


def test_a_process_with_the_same_id_as_a_part_is_left_alone(tmp_path: Path) -> None:
    with supervisor_process(tmp_path):
        record = registry.read_record(tmp_path)
    assert record is not None
    bystander = subprocess.Popen(python("-c", "import time; time.sleep(600)"), start_new_session=True)
    try:
        record.parts[0].pid = bystander.pid
        assert record.parts[0].process_started_at is not None
        record.parts[0].process_started_at -= 3600
        registry.write_record(tmp_path, record)
        assert registry.end_leftovers(tmp_path) == []
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_the_first_signal_stops_in_order_and_the_second_ends_at_once(tmp_path: Path) -> None:
    with supervisor_process(tmp_path, api="deaf") as supervisor:
        supervisor.terminate()
        time.sleep(0.5)
        assert supervisor.poll() is None  # the api ignores SIGTERM
        supervisor.terminate()
        assert supervisor.wait(PATIENCE_SECONDS) == 0
        assert states(tmp_path) == ["stopped", "stopped"]


def test_a_server_stops_after_the_parts_behind_its_set_up_step(tmp_path: Path) -> None:
    note = tmp_path / "order"
    slow_to_stop = f"""
        import pathlib, signal, sys, time
        def leave(*_):
            time.sleep(0.7)
            pathlib.Path({str(note)!r}).write_text("api left")
            sys.exit(0)
        signal.signal(signal.SIGTERM, leave)
        pathlib.Path(sys.argv[1]).touch()
        time.sleep(600)
    """
    parts = [
        server(tmp_path, "database"),
        step("migrate", "pass", after=("database",)),
        server(tmp_path, "api", after=("migrate",), script=textwrap.dedent(slow_to_stop)),
    ]
    with supervised(Supervisor(parts, tmp_path)) as supervisor:
        database = psutil.Process(pid_of(supervisor, "database"))
        supervisor.stop()
        until(lambda: not database.is_running() or database.status() == psutil.STATUS_ZOMBIE, "the database is gone")
        assert note.read_text() == "api left"
