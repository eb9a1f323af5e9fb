"""The audit log: who did what, and its export with hashes."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from echolead.operational.audit_chain import export_chain, list_entries
from ingest_api.control.answers import PRIVATE, Cursor, ListPage, Moment, PageSize, View, after, answer, page
from ingest_api.control.call import Calling, operation

PATH = "/v1/tenants/{tenant_id}/audit"

routes = APIRouter(tags=["audit"])


class AuditLine(View):
    """One action: who did it to what, and what changed. Secrets are masked."""

    position: Annotated[int, Field(validation_alias="chain_position", description="From 1 on, without gaps.")]
    at: Moment
    actor: Annotated[str, Field(examples=["user:ana@acme.example"])]
    action: Annotated[str, Field(examples=["lead_rules.applied"])]
    subject: str
    detail: dict[str, Any]


class ExportedLine(View):
    """An entry as it is hashed: SHA-256 of the hash before (its bytes; none before the first) and of the line."""

    position: int
    line: str
    hash: str


@routes.get(PATH, summary="Audit log", response_model=ListPage[AuditLine], **operation("audit.read"))
def list_(
    call: Calling,
    limit: PageSize = 50,
    cursor: Cursor = None,
    action: Annotated[str, Query(max_length=100, description="How the action begins, as in `lead_rules.`")] = "",
    actor: Annotated[str, Query(max_length=400, description="How the actor begins, as in `user:ana@`")] = "",
    since: Moment | None = None,
    until: Moment | None = None,
) -> Response:
    """The entries of the tenant, newest first."""
    before = after(call, cursor, int)
    with call.session() as session:
        rows = list_entries(
            session, call.tenant_id, limit=limit + 1, before=before, action=action, actor=actor, since=since,
            until=until,
        )  # fmt: skip
        return answer(page(call, rows, limit, AuditLine.model_validate, lambda row: [row.chain_position]))


@routes.get(
    f"{PATH}/export",
    summary="Export of the audit log",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/jsonl": {"schema": ExportedLine.model_json_schema()}}}},
    **operation("audit.export"),
)
def export(call: Calling, after_position: Annotated[int, Query(ge=0)] = 0) -> Response:
    """All entries after a position, oldest first, one JSON document a line, with the hashes that prove them whole."""

    def lines() -> Iterator[str]:
        with call.session() as session:
            for entry in export_chain(session, call.tenant_id, after=after_position):
                yield ExportedLine.model_validate(entry).model_dump_json() + "\n"

    return StreamingResponse(lines(), headers=PRIVATE, media_type="application/jsonl")
