"""`echolead user token`: tokens of users, for programs that use the control API."""

from typing import Annotated, Any

import typer

from echolead.cli.context import actor, administering, show_json, show_record, show_table
from echolead.cli.options import AsJson, DataDir
from echolead.operational.models import UserToken
from echolead.operational.user_tokens import MAX_DAYS, create_token, list_tokens, revoke_token

app = typer.Typer(help="Tokens for programs that use the control API.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(help="The user's e-mail address.", show_default=False)]
COLUMNS = ("prefix", "name", "scopes", "expires_at", "last_used_at", "revoked_at", "created_at")


@app.command()
def create(
    email: Email,
    name: Annotated[str, typer.Argument(help="Who holds it, as in crm-import.", show_default=False)],
    scope: Annotated[
        list[str] | None, typer.Option(help="read, all, a resource (rules), or reading one (rules:read); repeatable.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=MAX_DAYS, help="How long it is valid.")] = 90,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create a token and show it, only this once. It may do what its user may, within its scopes. Default: read."""
    with administering(data_dir) as (_, session):
        made = create_token(session, email, name, scope or ["read"], days=days, actor=actor())
        record = {**_record(made.row), "token": made.token}
    (show_json if as_json else show_record)(record)


@app.command("list")
def list_(email: Email, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List a user's tokens, without the tokens themselves."""
    with administering(data_dir) as (_, session):
        rows = [_record(row) for row in list_tokens(session, email)]
    if as_json:
        show_json(rows)
    else:
        show_table(rows, COLUMNS, nothing=f"{email} has no tokens.")


@app.command()
def revoke(
    email: Email,
    prefix: Annotated[str, typer.Argument(help="The token's prefix, as in `user token list`.", show_default=False)],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a token; it is refused from the next request on."""
    with administering(data_dir) as (_, session):
        record = _record(revoke_token(session, email, prefix, actor=actor()))
    (show_json if as_json else show_record)(record)


def _record(row: UserToken) -> dict[str, Any]:
    return {name: getattr(row, name) for name in COLUMNS}
