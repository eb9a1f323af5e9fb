"""What a tenant wants of its conversations: texts, how soon a person answers, who answers instead, and absences."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from echolead.operational import chat
from echolead.operational.chat import MEMBER_CHARACTERS, MemberLimits
from echolead.operational.models import ChatMember
from echolead.operational.models.chat import MOST_RESPONSE_MINUTES
from ingest_api.control.answers import ControlBody, Day, ListPage, View, answer, nothing
from ingest_api.control.call import Call, Calling, operation
from ingest_api.control.edits import check_base, check_line, content_version, lock_for_edit

PATH = "/v1/tenants/{tenant_id}/chat"
MEMBERS = f"{PATH}/members"
ONE = f"{MEMBERS}/{{kind}}/{{name}}"
MemberKind = Annotated[Literal["agent", "team"], Path()]
Name = Annotated[str, Path(min_length=1, max_length=MEMBER_CHARACTERS, examples=["bruno@acme.example"])]
Minutes = Annotated[int | None, Field(ge=1, le=MOST_RESPONSE_MINUTES, examples=[15])]

routes = APIRouter(tags=["settings"])


class ChatView(View):
    """The settings. Minutes are of business hours; `cover_after_minutes` is null where no colleague steps in."""

    keeps_texts: bool
    first_response_minutes: int
    covers_absence: bool
    cover_after_minutes: int | None


class ChatEdit(ControlBody):
    """What to change; the others stay. `cover_after_minutes` 0: nobody steps in."""

    keeps_texts: bool | None = None
    first_response_minutes: Minutes = None
    covers_absence: bool | None = None
    cover_after_minutes: Annotated[int | None, Field(ge=0, le=MOST_RESPONSE_MINUTES)] = None


class MemberView(View):
    """An agent or team, as rules name them: how many open conversations at most, and an absence."""

    kind: str
    name: str
    most_open: int | None
    away_from: date | None
    away_until: date | None


class MemberBody(ControlBody):
    """Limit and absence; what is not given is none. The days of an absence are both part of it."""

    most_open: Annotated[int | None, Field(ge=0, le=100_000, examples=[20])] = None
    away_from: Day | None = None
    away_until: Day | None = None


@routes.get(PATH, summary="Chat settings", response_model=ChatView, **operation("settings.read", versioned=True))
def show(call: Calling) -> Response:
    """How the tenant wants its conversations answered."""
    with call.session() as session:
        return _shown(session, call)


@routes.patch(PATH, summary="Change chat settings", response_model=ChatView, **operation("settings.change", edits=True))
def change(call: Calling, body: ChatEdit) -> Response:
    """Change what is given; the others stay."""
    with call.session() as session:
        lock_for_edit(session, call)
        present, changes = _view(session, call).model_dump(), body.model_dump(exclude_none=True)
        check_base(session, call, "The chat settings", "chat.", content_version(present), present, changes)
        if changes:
            chat.set_chat_settings(session, call.tenant_id, **changes, actor=call.actor)
        return _shown(session, call)


@routes.get(
    MEMBERS,
    summary="Agents and teams",
    response_model=ListPage[MemberView],
    **operation("settings.read", versioned=True),
)
def members(call: Calling) -> Response:
    """Agents and teams with limits or absences, in one page. The ETag is for `If-Match` of the next edit of any."""
    with call.session() as session:
        items = _members(session, call.tenant_id)
        return answer(ListPage[MemberView](items=items), version=_members_version(session, call))


@routes.put(ONE, summary="Set an agent or team", response_model=MemberView, **operation("settings.change", edits=True))
def set_member(call: Calling, kind: MemberKind, name: Name, body: MemberBody) -> Response:
    """Set limit and absence, in place of what there was."""
    limits = MemberLimits(**body.model_dump())
    with call.session() as session:
        _check_member(session, call, kind, name, body.model_dump(mode="json"))
        made: ChatMember = chat.set_chat_member(session, call.tenant_id, kind, name, limits, actor=call.actor)
        return answer(MemberView.model_validate(made), version=_members_version(session, call))


@routes.delete(ONE, summary="Free an agent or team", status_code=204, **operation("settings.change", edits=True))
def remove_member(call: Calling, kind: MemberKind, name: Name) -> Response:
    """Take limit and absence back."""
    with call.session() as session:
        _check_member(session, call, kind, name, None)
        chat.remove_chat_member(session, call.tenant_id, kind, name, actor=call.actor)
        return nothing(version=_members_version(session, call))


def _members(session: Session, tenant_id: str) -> list[MemberView]:
    return [MemberView.model_validate(row) for row in chat.chat_members(session, tenant_id)]


def _member_lines(session: Session, tenant_id: str) -> dict[str, Any]:
    """Limits and absences by kind and name."""
    views = _members(session, tenant_id)
    return {f"{each.kind} {each.name}": each.model_dump(mode="json", exclude={"kind", "name"}) for each in views}


def _check_member(session: Session, call: Call, kind: str, name: str, wanted: dict[str, Any] | None) -> None:
    edit = {f"{kind} {name.strip()}": wanted}
    check_line(session, call, "Limits and absences", "chat_member.", _member_lines, edit)


def _members_version(session: Session, call: Call) -> str:
    return content_version(_member_lines(session, call.tenant_id))


def _view(session: Session, call: Call) -> ChatView:
    return ChatView.model_validate(chat.chat_settings(session, call.tenant_id))


def _shown(session: Session, call: Call) -> Response:
    view = _view(session, call)
    return answer(view, version=content_version(view.model_dump()))
