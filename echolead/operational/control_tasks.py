"""Tasks that take longer than a request: asked through the API, done one at a time by the live run."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import ChangeRefused, NotFound
from echolead.operational.models import OPEN_STATES, ControlTask, Tenant
from echolead.operational.reconnecting import Reconnecting

MAX_OPEN_TASKS = 10
"""Tasks of a tenant that wait or run. More are refused, so that one tenant does not keep the worker from others."""
MESSAGE_CHARACTERS = 2000


def ask(session: Session, tenant_id: str, kind: str, asked: Mapping[str, Any], *, actor: str) -> ControlTask:
    """A new task. Raises `ChangeRefused` when the tenant has `MAX_OPEN_TASKS` open ones."""
    session.execute(select(Tenant.tenant_id).where(Tenant.tenant_id == tenant_id).with_for_update(key_share=True))
    open_ones = select(func.count()).where(ControlTask.tenant_id == tenant_id, ControlTask.state.in_(OPEN_STATES))
    if (session.scalar(open_ones) or 0) >= MAX_OPEN_TASKS:
        raise ChangeRefused(f"Tenant {tenant_id} has {MAX_OPEN_TASKS} tasks that wait or run: stop one, or wait.")
    task = ControlTask(tenant_id=tenant_id, kind=kind, asked=dict(asked), requested_by=actor)
    session.add(task)
    session.flush()
    session.refresh(task)
    return task


def get_task(session: Session, task_id: UUID, *, is_changed: bool = False) -> ControlTask:
    """The task, locked if it is to be changed. Raises `NotFound`."""
    task = session.get(ControlTask, task_id, with_for_update=is_changed or None)
    if task is None:
        raise NotFound(f"There is no task {task_id}.")
    return task


def list_tasks(
    session: Session, tenant_id: str, *, limit: int, before: tuple[datetime, UUID] | None = None
) -> Sequence[ControlTask]:
    """The newest tasks of a tenant, or the newest before one (its time and id)."""
    order = tuple_(ControlTask.created_at, ControlTask.task_id)
    asked = select(ControlTask).where(ControlTask.tenant_id == tenant_id)
    if before is not None:
        asked = asked.where(order < before)
    return session.scalars(asked.order_by(ControlTask.created_at.desc(), ControlTask.task_id.desc()).limit(limit)).all()


def stop_task(session: Session, task_id: UUID, *, actor: str) -> ControlTask:
    """Stop a task; stopping it again is not an error. One that runs is ended within seconds. Raises `NotFound`."""
    task = get_task(session, task_id, is_changed=True)
    if task.state in OPEN_STATES:
        task.state, task.ended_at = "stopped", func.clock_timestamp()
        session.flush()
        audit.record(
            session, actor=actor, action="task.stopped", subject=str(task_id), tenant_id=task.tenant_id, kind=task.kind
        )
        session.refresh(task)
    return task


# The worker's side. A task whose worker died is taken again when its lease has passed.
TAKEN = """
update control_tasks set
    state = 'running', started_at = coalesce(started_at, clock_timestamp()),
    lease_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
where task_id = (
    select task_id from control_tasks
    where state = 'waiting' or state = 'running' and lease_until < clock_timestamp()
    order by created_at limit 1 for update skip locked
)
returning task_id, tenant_id, kind, asked, requested_by
"""
KEPT = """
update control_tasks set lease_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
where task_id = %(task_id)s and state = 'running'
"""
EXPORT = "lead_export"
"""The kind whose result is all that is held of a person: only who may export sees it."""
MAPPING_TRIAL = "destination_mapping"
"""The kind whose result shows a lead as a mapping writes it: only who may read leads sees it."""
FORGOTTEN = f"""
update control_tasks set result = null, message = 'The result was kept for a day.'
where kind in ('{EXPORT}', '{MAPPING_TRIAL}') and result is not null and ended_at < clock_timestamp() - interval '1 day'
"""  # noqa: S608  # a constant
FORGET_SECONDS = 600.0
ENDED = """
update control_tasks set state = %(state)s, result = %(result)s, message = %(message)s, ended_at = clock_timestamp(),
    lease_until = null
where task_id = %(task_id)s and state = 'running'
"""


@dataclass(frozen=True)
class TakenTask:
    """A task that this process does."""

    task_id: UUID
    tenant_id: str
    kind: str
    asked: dict[str, Any]
    requested_by: str


class TaskRecord(Reconnecting):
    """Takes tasks and writes down what became of them, as the live run's role. Every method raises `psycopg.Error`."""

    def __init__(self, url: str, lease_seconds: float) -> None:
        super().__init__(url, "echolead tasks")
        self._lease_seconds = lease_seconds
        self._forgot = float("-inf")

    def forget_people(self) -> None:
        """Let go of results about a person that are older than a day; looks every ten minutes."""
        if time.monotonic() > self._forgot + FORGET_SECONDS:
            self._open().execute(FORGOTTEN)
            self._forgot = time.monotonic()

    def take(self) -> TakenTask | None:
        """The oldest task that waits, or whose worker died; None when there is none."""
        row = self._open().execute(TAKEN, {"lease_seconds": self._lease_seconds}).fetchone()
        return TakenTask(*row) if row is not None else None

    def keep(self, task: TakenTask) -> bool:
        """Prolong the lease; False when the task was stopped."""
        values = {"task_id": task.task_id, "lease_seconds": self._lease_seconds}
        return self._open().execute(KEPT, values).rowcount == 1

    def done(self, task: TakenTask, result: Mapping[str, Any]) -> None:
        """The task came to its end. One that was stopped meanwhile stays so."""
        self._end(task, "done", result=Jsonb(dict(result)), message="")

    def failed(self, task: TakenTask, message: str) -> None:
        """The task cannot be done."""
        self._end(task, "failed", result=None, message=message.replace("\0", "")[:MESSAGE_CHARACTERS])

    def _end(self, task: TakenTask, state: str, **values: Any) -> None:
        self._open().execute(ENDED, {"task_id": task.task_id, "state": state, **values})
