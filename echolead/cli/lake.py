"""`echolead lake`: everything raw as Parquet files: what is there, whether it is whole, queries over it."""

import subprocess
import sys
from datetime import datetime
from typing import Annotated, Any

import typer

from echolead.cli.context import show_json, show_table
from echolead.cli.errors import CommandFailed
from echolead.cli.options import AsJson, DataDir
from echolead.cli.processes import answer_of
from echolead.embedded.part import python
from echolead.settings import load_settings

is_group = True
HELP = "Everything raw as Parquet: status, verification, queries."
app = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False)

MODULE = "dlt_pipelines.lake"
TABLE = ("table", "files", "rows", "bytes", "first_day", "last_day", "owed")
OnlyTenant = Annotated[str, typer.Option("--tenant", help="Only this tenant.", show_default=False)]
SinceDay = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day of receipt, in UTC.", show_default=False)
]
UntilDay = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day of receipt, in UTC.", show_default=False)
]


@app.command()
def status(tenant: OnlyTenant = "", data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show what the lake has of each raw table, and which loads it lacks."""
    found = answer_of(load_settings(data_dir), MODULE, "status", *chosen(tenant, None, None))
    if as_json:
        show_json(found)
        return
    show_table(found["tables"], TABLE, nothing=f"The lake {found['address']} has no files yet.")
    lacking = f"It lacks {found['loads']} loads" + (
        f", the oldest for {found['oldest_seconds']:.0f} s" * bool(found["loads"])
    )
    typer.echo(f"{found['address']}. {lacking}.")


@app.command()
def verify(
    tenant: OnlyTenant = "",
    since: SinceDay = None,
    until: UntilDay = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Read every file and compare its checksum; name each that is damaged or missing, and exit with 1 if one is."""
    found = answer_of(load_settings(data_dir), MODULE, "verify", *chosen(tenant, since, until))
    problems = {**found["problems"], **{subject: f"not written: {said}" for subject, said in found["owed"].items()}}
    if as_json:
        show_json(found)
    else:
        for subject, problem in problems.items():
            typer.echo(f"{subject}: {problem}")
        for path in found["unknown"]:
            typer.echo(f"{path}: not in the manifest, so no part of the lake; `echolead lake compact` removes it")
        typer.echo(f"{found['files']} files with {found['rows']} rows read; {len(problems)} problems.")
    if problems:
        raise typer.Exit(1)


@app.command()
def compact(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Merge the small files of each day, remove what nothing needs, and drop days of raw that are too old.

    Dagster does it every hour. How long the lake and raw are kept: ECHOLEAD_LAKE_DAYS, ECHOLEAD_RAW_DAYS.
    """
    found = answer_of(load_settings(data_dir), MODULE, "compact")
    if as_json:
        show_json(found)
        return
    merged = found["compacted"]
    typer.echo(f"{merged['files_before']} files became {merged['files_after']}; {merged['removed']} were removed.")
    for table, days in found["days_dropped_from_raw"].items():
        typer.echo(f"{days} days of raw.{table} are in the lake alone now.")
    for said in merged["damaged"]:
        typer.echo(f"Its day was left as it is: {said}")


@app.command()
def copy(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Copy what is new in raw to the lake now. The live run does it every minute."""
    found = answer_of(load_settings(data_dir), MODULE, "copy")
    if as_json:
        show_json(found)
        return
    typer.echo(f"{found['rows']} rows in {found['files']} files; {found['owed']} files could not be written.")


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="A SELECT; tables are named as in raw: `select count() from events`.")],
    tenant: OnlyTenant = "",
    since: SinceDay = None,
    until: UntilDay = None,
    data_dir: DataDir = None,
    output_format: Annotated[
        str, typer.Option("--format", help="A ClickHouse output format: PrettyCompact, CSVWithNames, JSONEachRow …")
    ] = "PrettyCompactMonoBlock",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format JSONEachRow.")] = False,
) -> None:
    """Query the lake, also what raw no longer has. Only files of the chosen tenant and days are opened."""
    shown = "JSONEachRow" if as_json else output_format
    where = ["--data-dir", str(load_settings(data_dir).data_dir), *chosen(tenant, since, until)]
    command = python("-m", MODULE, "sql", "--format", shown, *where)
    asked = subprocess.run(command, input=query.encode(), capture_output=True, check=False)
    if asked.returncode != 0:
        said = asked.stderr.decode(errors="replace").strip().splitlines() or ["no reason was given"]
        raise CommandFailed(f"The lake refuses: {said[-1]}")
    sys.stdout.buffer.write(asked.stdout)
    sys.stdout.flush()


def chosen(tenant: str, since: datetime | None, until: datetime | None) -> list[str]:
    """The options of a process that say which files it takes."""
    said: dict[str, Any] = {"--tenant": tenant, "--since": since and since.date(), "--until": until and until.date()}
    return [word for name, value in said.items() if value for word in (name, str(value))]
