"""`echolead audit`: who did what, and whether the log is whole."""

import sys
from dataclasses import asdict
from typing import Annotated

import msgspec
import typer

from echolead.cli.context import administering, show_json, show_table
from echolead.cli.options import AsJson, DataDir
from echolead.operational.audit_chain import INSTALLATION, chains, export_chain, list_entries, verify_chain
from echolead.operational.tenants import get_tenant

is_group = True
app = typer.Typer(help="Who did what: list, export and verify the audit log.", no_args_is_help=True)

OfTenant = Annotated[
    str, typer.Option("--tenant", help="The tenant. Default: entries of the installation.", show_default=False)
]


@app.command("list")
def list_(
    tenant: OfTenant = INSTALLATION,
    action: Annotated[str, typer.Option(help="Only actions that begin so, as in lead_rules.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Number of entries.")] = 50,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List entries, newest first."""
    names = ("chain_position", "at", "actor", "action", "subject", "detail")
    with administering(data_dir) as (_, session):
        if tenant:
            get_tenant(session, tenant)
        found = list_entries(session, tenant, limit=limit, action=action)
        rows = [{name: getattr(entry, name) for name in names} for entry in found]
    if as_json:
        show_json(rows)
    else:
        show_table(rows, names, nothing="There are no such entries.")


@app.command()
def export(
    tenant: OfTenant = INSTALLATION,
    after: Annotated[int, typer.Option(min=0, help="Only entries after this position.")] = 0,
    data_dir: DataDir = None,
) -> None:
    """Print a chain as lines of JSON, oldest first: position, line, hash. The hash is SHA-256 of the bytes of the hash
    before and of the line, so that a copy can be checked without EchoLead.
    """
    with administering(data_dir) as (_, session):
        for entry in export_chain(session, tenant, after=after):
            sys.stdout.write(msgspec.json.encode(asdict(entry)).decode() + "\n")


@app.command()
def verify(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Check every chain from its first entry on. Exit code 1 when one was changed, and says where."""
    with administering(data_dir) as (_, session):
        found = [verify_chain(session, chain) for chain in chains(session)]
    rows = [
        {"chain": each.chain or "(installation)", "entries": each.entries, "problem": each.problem} for each in found
    ]
    if as_json:
        show_json(rows)
    else:
        show_table(rows, ("chain", "entries", "problem"), nothing="There are no entries yet.")
    if any(each.problem for each in found):
        raise typer.Exit(1)
