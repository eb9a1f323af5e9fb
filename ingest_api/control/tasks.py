"""Tasks that a worker does: how far they are, what they found, and stopping them."""

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from echolead.operational.control_tasks import EXPORT, MAPPING_TRIAL, get_task, list_tasks, stop_task
from echolead.operational.models import ControlTask
from ingest_api.control.answers import Cursor, ListPage, Moment, PageSize, View, after, answer, page, time_and_id
from ingest_api.control.call import Call, Calling, operation
from ingest_api.control.once import once

PATH = "/v1/tenants/{tenant_id}/tasks"
ABOUT_PEOPLE = {EXPORT: "leads.export", MAPPING_TRIAL: "leads.read"}
"""By kind of task, the operation that who sees its result may do."""

routes = APIRouter(tags=["tasks"])


class TaskView(View):
    """A task. `result` depends on the kind and is null until `state` is `done`; `message` says why it failed."""

    task_id: UUID
    kind: str
    state: Literal["waiting", "running", "done", "failed", "stopped"]
    result: dict[str, Any] | None
    message: str
    requested_by: str
    created_at: Moment
    started_at: Moment | None
    ended_at: Moment | None


@routes.get(PATH, summary="Tasks", response_model=ListPage[TaskView], **operation("tasks.read"))
def list_(call: Calling, limit: PageSize = 50, cursor: Cursor = None) -> Response:
    """The tasks of the tenant, newest first."""
    before = after(call, cursor, time_and_id)
    with call.session() as session:
        rows = list_tasks(session, call.tenant_id, before=before, limit=limit + 1)
        return answer(page(call, rows, limit, lambda row: _shown(call, row), lambda row: [row.created_at, row.task_id]))


@routes.get(f"{PATH}/{{task_id}}", summary="A task", response_model=TaskView, **operation("tasks.read"))
def show(call: Calling, task_id: UUID) -> Response:
    """How far a task is, and what it found. Ask again every second or so until it is neither waiting nor running."""
    with call.session() as session:
        return answer(_shown(call, get_task(session, task_id)))


@routes.post(f"{PATH}/{{task_id}}/stop", summary="Stop a task", response_model=TaskView, **operation("tasks.stop"))
def stop(call: Calling, task_id: UUID) -> Response:
    """Stop a task; stopping it again is not an error. A worker that does it ends within five seconds."""
    return once(call, lambda session: answer(_shown(call, stop_task(session, task_id, actor=call.actor))))


def _shown(call: Call, task: ControlTask) -> TaskView:
    """The task; a result about a person only for who may see that."""
    shown = TaskView.model_validate(task)
    if task.kind in ABOUT_PEOPLE and not call.may(ABOUT_PEOPLE[task.kind]):
        return shown.model_copy(update={"result": None})
    return shown


def task_answer(task: ControlTask) -> Response:
    """202 with the task and its address."""
    made = answer(TaskView.model_validate(task), 202)
    made.headers["Location"] = f"/v1/tenants/{task.tenant_id}/tasks/{task.task_id}"
    return made
