"""What the lake has of a tenant, and whether it is whole."""

from datetime import date
from typing import Any

from fastapi import APIRouter
from pydantic import model_validator
from sqlalchemy import text
from starlette.responses import Response

from echolead.operational import control_tasks
from ingest_api.control.answers import ControlBody, Day, ListPage, View, answer
from ingest_api.control.call import Calling, operation
from ingest_api.control.once import once
from ingest_api.control.tasks import TaskView, task_answer

PATH = "/v1/tenants/{tenant_id}/lake"
# Reads the tenant's part of the manifest.
TABLES = text("""
    select source as "table", count(*) filter (where state = 'present') as files,
        coalesce(sum(rows) filter (where state = 'present'), 0)::bigint as rows,
        coalesce(sum(bytes) filter (where state = 'present'), 0)::bigint as bytes,
        min(day) filter (where state = 'present') as first_day, max(day) filter (where state = 'present') as last_day,
        count(*) filter (where state = 'owed') as owed
    from lake_files where tenant_id = :tenant_id and state in ('present', 'owed')
    group by source order by source
""")

routes = APIRouter(tags=["lake"])


class LakeTable(View):
    """The files of a raw table; `owed` could not be written yet and are tried again. Days are of receipt, in UTC."""

    table: str
    files: int
    rows: int
    bytes: int
    first_day: date | None
    last_day: date | None
    owed: int


class LakeVerification(ControlBody):
    """Which days to read; without one all."""

    since: Day | None = None
    until: Day | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "LakeVerification":
        if self.since and self.until and self.since > self.until:
            raise ValueError("until: give a day that is not before since")
        return self


@routes.get(PATH, summary="Lake", response_model=ListPage[LakeTable], **operation("lake.read"))
def status(call: Calling) -> Response:
    """What the lake has of the tenant by table, in one page."""
    with call.session() as session:
        rows = session.execute(TABLES, {"tenant_id": call.tenant_id})
        return answer(ListPage[LakeTable](items=[LakeTable.model_validate(row) for row in rows]))


@routes.post(
    f"{PATH}/verifications",
    summary="Verify the lake",
    status_code=202,
    response_model=TaskView,
    **operation("lake.verify"),
)
def verify(call: Calling, body: LakeVerification) -> Response:
    """A task that reads the tenant's files and compares their checksums: `result.problems` names each that is damaged
    or missing.
    """
    asked: dict[str, Any] = body.model_dump(mode="json", exclude_none=True)
    return once(
        call,
        lambda session: task_answer(control_tasks.ask(session, call.tenant_id, "lake_verify", asked, actor=call.actor)),
    )
