"""What the stages of a CRM count as in the funnel."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from sqlalchemy.orm import Session
from starlette.responses import Response

from echolead.operational.deals import ID_CHARACTERS, map_stage, mapped_stages
from echolead.operational.models import Destination
from echolead.operational.named_rows import get_named, list_named
from ingest_api.control.answers import ControlBody, ListPage, View, answer
from ingest_api.control.call import Calling, operation
from ingest_api.control.edits import check_line, content_version

PATH = "/v1/tenants/{tenant_id}/deal-stages"
ONE = f"{PATH}/{{name}}/{{pipeline_id}}/{{stage_id}}"
Name = Annotated[str, Path(max_length=200, examples=["hubspot"])]
RemoteId = Annotated[str, Path(min_length=1, max_length=ID_CHARACTERS, examples=["default"])]

routes = APIRouter(tags=["settings"])


class StageView(View):
    """A stage of a pipeline of a CRM, by the CRM's ids, and what it counts as."""

    destination: str
    pipeline_id: str
    stage_id: str
    stage: str


class StageBody(ControlBody):
    """What the stage counts as."""

    stage: Literal["new", "working", "qualified", "won", "lost"]


@routes.get(
    PATH, summary="Deal stages", response_model=ListPage[StageView], **operation("settings.read", versioned=True)
)
def list_(call: Calling) -> Response:
    """The stages that are mapped, in one page; others count as the CRM's own words suggest.

    The ETag is for `If-Match` of the next edit of any of them.
    """
    with call.session() as session:
        items = _stages(session, call.tenant_id)
        return answer(ListPage[StageView](items=items), version=content_version(_lines(session, call.tenant_id)))


@routes.put(ONE, summary="Map a deal stage", response_model=StageView, **operation("settings.change", edits=True))
def set_(call: Calling, name: Name, pipeline_id: RemoteId, stage_id: RemoteId, body: StageBody) -> Response:
    """Say what a stage counts as, in place of what was said before. Deals are computed again by the next turn."""
    made = StageView(destination=name, pipeline_id=pipeline_id, stage_id=stage_id, stage=body.stage)
    with call.session() as session:
        destination = get_named(session, Destination, call.tenant_id, name)
        check_line(session, call, "The deal stages", "deal_stage.", _lines, {_line_name(made): body.stage})
        map_stage(session, destination, pipeline_id, stage_id, body.stage, actor=call.actor)
        return answer(made, version=content_version(_lines(session, call.tenant_id)))


def _stages(session: Session, tenant_id: str) -> list[StageView]:
    """By destination, pipeline and stage."""
    names = {row.destination_id: row.name for row in list_named(session, Destination, tenant_id)}
    rows = sorted((names[each[0]], *each[1:], stage) for each, stage in mapped_stages(session, tenant_id).items())
    return [StageView(destination=a, pipeline_id=b, stage_id=c, stage=d) for a, b, c, d in rows]


def _lines(session: Session, tenant_id: str) -> dict[str, str]:
    return {_line_name(each): each.stage for each in _stages(session, tenant_id)}


def _line_name(stage: StageView) -> str:
    return f"{stage.destination}/{stage.pipeline_id}/{stage.stage_id}"
