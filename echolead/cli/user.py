"""`echolead user`: people who sign in to the console."""

from pathlib import Path
from typing import Annotated, Any

import typer

from echolead.cli import user_token
from echolead.cli.context import (
    actor,
    administering,
    assignments,
    show_json,
    show_record,
    show_table,
)
from echolead.cli.options import SHOWN_NAME, AsJson, DataDir, TenantId
from echolead.operational.identities import unlink_identity
from echolead.operational.users import (
    UserView,
    create_user,
    delete_user,
    grant_role,
    list_users,
    new_password,
    remove_role,
    revoke_sessions,
    set_password,
    set_user_active,
)

is_group = True
app = typer.Typer(help="People who sign in to the console, and their roles.", no_args_is_help=True)
app.add_typer(user_token.app, name="token")

Email = Annotated[str, typer.Argument(help="The user's e-mail address.", show_default=False)]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of generating one.")
]


@app.command()
def create(
    email: Email,
    name: Annotated[str, SHOWN_NAME] = "",
    role: Annotated[list[str] | None, typer.Option(help="tenant=viewer|analyst|operator|admin; repeatable.")] = None,
    superuser: Annotated[bool, typer.Option("--superuser", help="Admin of every tenant.")] = False,
    password_stdin: PasswordStdin = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create a user. Without --password-stdin a password is generated and shown, only this once."""
    roles = assignments(role or [], option="--role")
    password = _password(password_stdin)
    with administering(data_dir) as (_, session):
        user = create_user(session, email, password, actor=actor(), name=name, is_superuser=superuser, roles=roles)
        record = _record(UserView(user, roles))
    _show(record, None if password_stdin else password, as_json)


@app.command("set-password")
def set_password_(
    email: Email, password_stdin: PasswordStdin = False, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Replace a password and end the user's sessions. Without --password-stdin one is generated and shown, only this
    once.
    """
    password = _password(password_stdin)
    with administering(data_dir) as (_, session):
        set_password(session, email, password, actor=actor())
    _show({"email": email}, None if password_stdin else password, as_json)


@app.command("list")
def list_(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all users and their roles."""
    with administering(data_dir) as (_, session):
        rows = [_record(view) for view in list_users(session)]
    if as_json:
        show_json(rows)
    else:
        columns = ("email", "name", "roles", "is_superuser", "is_active")
        show_table(rows, columns, nothing="There are no users yet: create one with `echolead user create`.")


@app.command()
def grant(
    email: Email,
    tenant_id: TenantId,
    role: Annotated[str, typer.Argument(help="viewer, analyst, operator or admin.", show_default=False)],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give a user a role in a tenant; it replaces their present one."""
    with administering(data_dir) as (_, session):
        grant_role(session, email, tenant_id, role, actor=actor())
    record = {"email": email, "tenant_id": tenant_id, "role": role}
    (show_json if as_json else show_record)(record)


@app.command("remove-role")
def remove_role_(
    email: Email,
    tenant_id: TenantId,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Remove a user's role in a tenant. Open pages stop showing the tenant at their next run."""
    with administering(data_dir) as (_, session):
        remove_role(session, email, tenant_id, actor=actor())
    (show_json if as_json else show_record)({"email": email, "tenant_id": tenant_id, "role": None})


@app.command()
def revoke(email: Email, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """End all sessions of a user, on every device; they may sign in again."""
    with administering(data_dir) as (_, session):
        ended = revoke_sessions(session, email, actor=actor())
    (show_json if as_json else show_record)({"email": email, "sessions_ended": ended})


@app.command()
def unlink(email: Email, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Forget which company account is the user's, and end their sessions. The next company account that signs in with
    the user's verified e-mail is linked.
    """
    with administering(data_dir) as (_, session):
        ended = unlink_identity(session, email, actor=actor())
    (show_json if as_json else show_record)({"email": email, "sessions_ended": ended})


@app.command()
def disable(email: Email, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Prevent a user from signing in, and end all their sessions. Their roles are kept."""
    _set_active(email, False, data_dir, as_json)


@app.command()
def enable(email: Email, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Allow a disabled user to sign in again."""
    _set_active(email, True, data_dir, as_json)


@app.command()
def delete(email: Email, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Delete a user with their roles and sessions. The audit log keeps their actions."""
    with administering(data_dir) as (_, session):
        deleted = delete_user(session, email, actor=actor())
    (show_json if as_json else show_record)({"email": deleted, "deleted": True})


def _set_active(email: str, is_active: bool, data_dir: Path | None, as_json: bool) -> None:
    with administering(data_dir) as (_, session):
        user = set_user_active(session, email, is_active, actor=actor())
        record = {"email": user.email, "is_active": user.is_active}
    (show_json if as_json else show_record)(record)


def _password(from_stdin: bool) -> str:
    if not from_stdin:
        return new_password()
    return assignments(["password=-"], option="--password-stdin", hidden=True)["password"]


def _show(record: dict[str, Any], made_password: str | None, as_json: bool) -> None:
    shown = record if made_password is None else {**record, "password": made_password}
    if as_json:
        show_json(shown)
        return
    show_record(shown)
    if made_password is not None:
        typer.echo("The password is not stored and cannot be shown again.")


def _record(view: UserView) -> dict[str, Any]:
    user = view.user
    return {
        "user_id": user.user_id,
        "email": user.email,
        "name": user.name,
        "roles": view.roles,
        "is_superuser": user.is_superuser,
        "is_active": user.is_active,
    }
