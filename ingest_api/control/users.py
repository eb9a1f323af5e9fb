"""Users of a tenant and their roles; accounts themselves are a platform administrator's."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from echolead.operational import users
from echolead.operational.errors import AlreadyThere, NotFound
from echolead.operational.identities import unlink_identity
from echolead.operational.models import User
from ingest_api.control.answers import (
    ControlBody,
    Cursor,
    ListPage,
    Moment,
    PageSize,
    View,
    after,
    answer,
    nothing,
    page,
)
from ingest_api.control.call import Call, Calling, CallingInstallation, operation
from ingest_api.control.edits import check_base, content_version
from ingest_api.control.once import once
from ingest_api.control.sessions import MAX_EMAIL, NO_NUL

MEMBERS = "/v1/tenants/{tenant_id}/users"
ACCOUNTS = "/v1/users"
EmailText = Annotated[str, Field(min_length=3, max_length=MAX_EMAIL, pattern=NO_NUL, examples=["ana@acme.example"])]
EmailPath = Annotated[str, Path(min_length=3, max_length=MAX_EMAIL, examples=["ana@acme.example"])]
RoleName = Literal["viewer", "analyst", "operator", "admin"]

routes = APIRouter(tags=["users"])


class Member(View):
    """A user with a role in the tenant."""

    email: str
    name: str
    role: str
    is_active: bool


class NewMember(Member):
    """A user who was given a role. `password` is set where the account is new, and never shown again."""

    password: str | None


class MemberToAdd(ControlBody):
    """Who is to have a role in the tenant; an account is made for an e-mail that has none."""

    email: EmailText
    role: RoleName
    name: Annotated[str, Field(max_length=200, examples=["Ana"])] = ""


class RoleBody(ControlBody):
    """A role in the tenant."""

    role: RoleName


class UserAccount(View):
    """A user, whatever their tenants."""

    email: str
    name: str
    is_superuser: bool
    is_active: bool
    created_at: Moment


class AccountEdit(ControlBody):
    """Whether the user may sign in."""

    is_active: bool


class EndedSessions(View):
    """How many sessions were ended."""

    ended: int


@routes.get(MEMBERS, summary="Users of a tenant", response_model=ListPage[Member], **operation("users.read"))
def members(call: Calling, limit: PageSize = 50, cursor: Cursor = None) -> Response:
    """Users with a role in the tenant, by e-mail. Platform administrators are not listed."""
    with call.control.people(call.tenant_id) as session:
        rows = users.list_members(session, call.tenant_id, limit=limit + 1, after=after(call, cursor, str) or "")
        return answer(page(call, rows, limit, lambda row: _member(*row), lambda row: [row[0].email]))


@routes.post(MEMBERS, summary="Add a user", status_code=201, response_model=NewMember, **operation("users.change"))
def add(call: Calling, body: MemberToAdd) -> Response:
    """Give a user a role; for an e-mail without an account one is made, with a password that is shown once.

    A user who has another role here already is refused: that role is changed with PUT, on the version that was seen.
    """

    def work(session: Session) -> Response:
        password = _account_for(session, body, call.actor)
        present = users.role_in(session, body.email, call.tenant_id)
        if present not in (None, body.role):
            raise AlreadyThere(f"{body.email} is {present} in {call.tenant_id} already: change the role of that user.")
        users.grant_role(session, body.email, call.tenant_id, body.role, actor=call.actor)
        made = _member(users.get_user(session, body.email), body.role)
        return answer(NewMember(**made.model_dump(), password=password), 201)

    return once(call, work, transaction=call.control.installation)


@routes.get(f"{MEMBERS}/{{email}}", summary="A user", response_model=Member, **operation("users.read", versioned=True))
def member(call: Calling, email: EmailPath) -> Response:
    """A user with a role in the tenant; the ETag is for `If-Match` of the next edit."""
    with call.control.people(call.tenant_id) as session:
        return _shown(_member_of(session, call, email))


@routes.put(
    f"{MEMBERS}/{{email}}", summary="Change a role", response_model=Member, **operation("users.change", edits=True)
)
def grant(call: Calling, email: EmailPath, body: RoleBody) -> Response:
    """Another role for a user of the tenant. It counts from their next request on."""
    with call.control.people(call.tenant_id) as session:
        _check_role(session, call, email, body.role)
        users.grant_role(session, email, call.tenant_id, body.role, actor=call.actor)
        return _shown(_member_of(session, call, email))


@routes.delete(
    f"{MEMBERS}/{{email}}", summary="Remove a role", status_code=204, **operation("users.change", edits=True)
)
def remove(call: Calling, email: EmailPath) -> Response:
    """Remove a user's role in the tenant; their account stays."""
    with call.control.people(call.tenant_id) as session:
        _check_role(session, call, email, None)
        users.remove_role(session, email, call.tenant_id, actor=call.actor)
    return nothing()


@routes.get(ACCOUNTS, summary="Accounts", response_model=ListPage[UserAccount], **operation("accounts.read"))
def accounts(call: CallingInstallation, limit: PageSize = 50, cursor: Cursor = None) -> Response:
    """All users, by e-mail."""
    with call.session() as session:
        rows = users.page_of_users(session, limit=limit + 1, after=after(call, cursor, str) or "")
        return answer(page(call, rows, limit, UserAccount.model_validate, lambda row: [row.email]))


@routes.patch(
    f"{ACCOUNTS}/{{email}}",
    summary="Enable or disable a user",
    response_model=UserAccount,
    **operation("accounts.change"),
)
def enable(call: CallingInstallation, email: EmailPath, body: AccountEdit) -> Response:
    """Whether a user may sign in. Disabling ends their sessions and their tokens' use at once."""
    with call.session() as session:
        return answer(
            UserAccount.model_validate(users.set_user_active(session, email, body.is_active, actor=call.actor))
        )


@routes.post(
    f"{ACCOUNTS}/{{email}}/end-sessions",
    summary="End a user's sessions",
    response_model=EndedSessions,
    **operation("accounts.change"),
)
def end_sessions(call: CallingInstallation, email: EmailPath) -> Response:
    """End all sessions of a user, who may sign in again."""
    return once(
        call,
        lambda session: answer(EndedSessions(ended=users.revoke_sessions(session, email, actor=call.actor))),
    )


@routes.post(
    f"{ACCOUNTS}/{{email}}/unlink",
    summary="Unlink a user's company account",
    response_model=EndedSessions,
    **operation("accounts.change"),
)
def unlink(call: CallingInstallation, email: EmailPath) -> Response:
    """Forget which account at the identity provider is the user's, and end their sessions.

    The next account that signs in there with the user's verified e-mail is linked.
    """
    return once(
        call,
        lambda session: answer(EndedSessions(ended=unlink_identity(session, email, actor=call.actor))),
    )


def _account_for(session: Session, body: MemberToAdd, actor: str) -> str | None:
    """The password of a new account; None where there is one already."""
    try:
        users.get_user(session, body.email)
    except NotFound:
        password = users.new_password()
        users.create_user(session, body.email, password, actor=actor, name=body.name)
        return password
    return None


def _member_of(session: Session, call: Call, email: str, *, is_changed: bool = False) -> Member:
    role = users.role_in(session, email, call.tenant_id, is_changed=is_changed)
    if role is None:
        raise NotFound(f"{email} has no role in {call.tenant_id}: add them with POST {MEMBERS}.")
    return _member(users.get_user(session, email), role)


def _check_role(session: Session, call: Call, email: str, wanted: str | None) -> None:
    """Raises `ChangedMeanwhile` where the user is not as the edit saw them, and locks their role."""
    present = _member_of(session, call, email, is_changed=True)
    check_base(
        session, call, f"The role of {present.email}", "user.role_", _version(present), present.model_dump(),
        {"role": wanted}, subject=present.email,
    )  # fmt: skip


def _version(member: Member) -> str:
    return content_version(member.model_dump())


def _shown(member: Member) -> Response:
    return answer(member, version=_version(member))


def _member(user: User, role: str) -> Member:
    return Member(email=user.email, name=user.name, role=role, is_active=user.is_active)
