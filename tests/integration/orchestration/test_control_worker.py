"""Tasks of the control API in the live run: done once, stopped within seconds, taken over from a dead worker."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from echolead.operational import control_tasks
from echolead.operational.control_tasks import TaskRecord
from echolead.operational.database import system_session
from echolead.operational.errors import ChangeRefused
from echolead.operational.models import ControlTask
from echolead.operational.provision import OperationalUrls
from echolead.settings import Settings
from orchestration.live.control_worker import Command, ControlWorker
from tests.fixtures.operational import make_tenant

SCRIPT = """
import json, sys, time
asked = json.load(sys.stdin)
time.sleep(asked.get("sleeps", 0))
if "fails" in asked:
    sys.exit(asked["fails"])
print(json.dumps({"leads": asked["leads"]}))
"""


@pytest.fixture
def settings(empty_operational_urls: OperationalUrls, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A database without tasks, and a module that plays a dry run."""
    (tmp_path / "played_trial.py").write_text(SCRIPT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Settings(postgres_loader_url=empty_operational_urls.loader, data_dir=tmp_path)


def ask(engine: Engine, tenant_id: str, **asked: Any) -> UUID:
    """A new task of the tenant."""
    with system_session(engine) as session:
        return control_tasks.ask(session, tenant_id, "rules_trial", asked, actor="user:ana@example.test").task_id


def wait(engine: Engine, task_id: UUID, until: Callable[[ControlTask], bool]) -> ControlTask:
    """The task when it is as wanted."""
    for _ in range(200):
        with system_session(engine) as session:
            task = control_tasks.get_task(session, task_id)
        if until(task):
            return task
        time.sleep(0.05)
    raise AssertionError(f"The task is {task.state}: {task.message}")


def played(task: control_tasks.TakenTask) -> Command:
    return Command("played_trial", given=task.asked)


def test_tasks_are_done_one_after_the_other_and_one_that_fails_says_why(
    settings: Settings, system_engine: Engine
) -> None:
    tenant = make_tenant(system_engine).tenant_id
    fails, works = ask(system_engine, tenant, fails="No such model."), ask(system_engine, tenant, leads=3)
    with ControlWorker(settings, {"rules_trial": played}):
        failed = wait(system_engine, fails, lambda task: task.state == "failed")
        done = wait(system_engine, works, lambda task: task.state == "done")
    assert failed.message == "No such model."
    assert done.result == {"leads": 3}
    assert done.started_at
    assert done.ended_at


def test_a_stopped_task_ends_within_seconds_and_stays_stopped(settings: Settings, system_engine: Engine) -> None:
    tenant = make_tenant(system_engine).tenant_id
    slow = ask(system_engine, tenant, sleeps=60, leads=1)
    with ControlWorker(settings, {"rules_trial": played}):
        wait(system_engine, slow, lambda task: task.state == "running")
        with system_session(system_engine) as session:
            control_tasks.stop_task(session, slow, actor="user:ana@example.test")
        next_one = ask(system_engine, tenant, leads=2)
        assert wait(system_engine, next_one, lambda task: task.state == "done").result == {"leads": 2}
    assert wait(system_engine, slow, lambda _: True).state == "stopped"


def test_the_task_of_a_dead_worker_is_taken_over_and_of_a_living_one_is_not(
    settings: Settings, system_engine: Engine
) -> None:
    tenant = make_tenant(system_engine).tenant_id
    task_id = ask(system_engine, tenant, leads=1)
    record = TaskRecord(settings.postgres_loader_url.get_secret_value(), 30)
    taken = record.take()
    assert taken is not None
    assert record.take() is None
    with system_session(system_engine) as session:
        session.execute(text("update control_tasks set lease_until = clock_timestamp() - interval '1 second'"))
    with ControlWorker(settings, {"rules_trial": played}):
        assert wait(system_engine, task_id, lambda task: task.state == "done").result == {"leads": 1}
    assert not record.keep(taken)
    record.close()


def test_the_oldest_task_is_taken_first_and_one_that_was_stopped_keeps_no_result(
    settings: Settings, system_engine: Engine
) -> None:
    tenant = make_tenant(system_engine).tenant_id
    tasks = [ask(system_engine, tenant, leads=number) for number in range(3)]
    with closing(TaskRecord(settings.postgres_loader_url.get_secret_value(), 30)) as record:
        taken = [task for task in (record.take(), record.take()) if task]
        assert [task.task_id for task in taken] == tasks[:2]
        with system_session(system_engine) as session:
            control_tasks.stop_task(session, tasks[0], actor="user:ana@example.test")
        assert [record.keep(task) for task in taken] == [False, True]
        record.done(taken[0], {"leads": 1})
        record.failed(taken[1], "No such\0 model.")
    found = [wait(system_engine, task_id, lambda _: True) for task_id in tasks]
    assert [(task.state, task.result, task.message) for task in found] == [
        ("stopped", None, ""),
        ("failed", None, "No such model."),
        ("waiting", None, ""),
    ]


def test_a_tenant_with_too_many_open_tasks_waits_for_one_to_end_and_holds_up_no_other(
    settings: Settings, system_engine: Engine
) -> None:
    busy, other = (make_tenant(system_engine).tenant_id for _ in range(2))
    tasks = [ask(system_engine, busy) for _ in range(control_tasks.MAX_OPEN_TASKS)]
    with pytest.raises(ChangeRefused, match="stop one"):
        ask(system_engine, busy)
    assert ask(system_engine, other)
    with system_session(system_engine) as session:
        control_tasks.stop_task(session, tasks[0], actor="user:ana@example.test")
    assert ask(system_engine, busy)
