"""`echolead backup`: everything that nothing else can bring back, in one folder, and an installation made of it."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from echolead.cli.context import show_json
from echolead.cli.errors import CommandFailed
from echolead.cli.options import AsJson, DataDir
from echolead.cli.processes import followed
from echolead.operational import dump
from echolead.operational.backups import BackupContent, NoBackup, check_dump, read_content, unopened
from echolead.operational.migrate import knows_revision, migrate
from echolead.operational.provision import in_database, provision
from echolead.settings import Settings, load_settings
from echolead.setup import role_passwords

is_group = True
HELP = "Save everything in a folder, and make an installation of it."
app = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False)

MODULE = "dlt_pipelines.lake"
Folder = Annotated[Path, typer.Argument(help="Folder of the backup.", show_default=False)]


@app.command()
def create(folder: Folder, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Save the operational database and the lake in a folder; everything else is computed of them.

    The stack goes on meanwhile. A later backup into the same folder copies only files of the lake that are new, and
    takes the place of the one before. No key is in it: keep `secrets.json`, or your own keys, at another place.
    """
    settings, started = load_settings(data_dir), time.monotonic()
    asked = ("--folder", str(folder.resolve()))
    failed = "No backup was made, and an earlier one is as it was: "
    done = followed(settings, MODULE, "backup", *asked, first="dumping the database", unit="bytes", failed=failed)
    content = read_content(folder)
    answer = {**_figures(content), **done, "seconds": round(time.monotonic() - started, 1)}
    if as_json:
        show_json(answer)
    else:
        typer.echo("{operational_rows:,} rows of the operational database, {lake_files:,} files of the lake with "
                   "{lake_bytes:,} bytes, {copied_files:,} of them new; {seconds} s.".format(**answer))  # fmt: skip
        if not content.has_lake:
            typer.echo(f"The lake is at {content.lake_address}, which keeps it: it is not in the backup.")
        _show_problems(done["problems"])
    if done["problems"]:
        raise typer.Exit(1)


@app.command()
def restore(folder: Folder, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Make an installation of a backup, where there is none yet: before its first start.

    Afterwards start it, and `echolead rebuild --from lake` brings raw back and computes everything behind it.
    """
    started = time.monotonic()
    try:
        content = read_content(folder)
        path = check_dump(folder, content)
    except NoBackup as error:
        raise CommandFailed(str(error)) from None
    if not knows_revision(content.revision):
        raise CommandFailed(f"The backup is of a later version (revision {content.revision}): install that one first.")
    with _new_installation(data_dir, content) as settings:
        restored = _restored(settings, path)
        done: dict[str, Any] = {"problems": {}}
        if content.has_lake:
            failed = "The database is restored. Of the lake some files are not, and `echolead lake verify` names them: "
            asked = ("--folder", str(folder.resolve()))
            done = followed(settings, MODULE, "put-back", *asked, first="copying the lake", unit="bytes", failed=failed)
    problems = {**_differences(content.rows, restored.rows), **done["problems"]}
    answer = {**_figures(content), "problems": problems, "seconds": round(time.monotonic() - started, 1)}
    if as_json:
        show_json(answer)
    else:
        typer.echo("{operational_rows:,} rows of the operational database and {lake_files:,} files of the lake are "
                   "here, as they were at {made_at:%Y-%m-%d %H:%M:%S} UTC; {seconds} s.".format(**answer))  # fmt: skip
        _show_problems(problems)
        typer.echo("Next: start it; then `echolead rebuild --from lake` brings raw back, and all that is behind it.")
    if problems:
        raise typer.Exit(1)


@contextmanager
def _new_installation(data_dir: Path | None, content: BackupContent) -> Iterator[Settings]:
    """The settings of what is to be made, with PostgreSQL running: the one that the environment names, or the embedded
    one of a new data directory, which ends with the block.
    """
    given = load_settings(data_dir)
    if given.postgres_superuser_url.get_secret_value():
        _check_keys(given, content)
        yield given
        return
    from echolead.embedded import registry  # noqa: PLC0415  # an installation on servers needs none of it
    from echolead.embedded.alone import running  # noqa: PLC0415
    from echolead.embedded.secrets import make_private  # noqa: PLC0415
    from echolead.embedded.stack import plan  # noqa: PLC0415

    directory = given.data_dir
    make_private(directory)
    os.umask(0o077)
    with registry.exclusive(directory):
        stack = plan(directory, given.port_base)
        if stack.postgres is None:
            raise CommandFailed("PostgreSQL is elsewhere: set ECHOLEAD_POSTGRES_SUPERUSER_URL, to make its "
                                "roles and tables.")  # fmt: skip
        _check_keys(stack.settings, content)
        stack.prepare()
        with running(stack.postgres.part(), directory / "logs"):
            yield stack.settings.model_copy(update={"postgres_superuser_url": SecretStr(stack.postgres.url)})


def _check_keys(settings: Settings, content: BackupContent) -> None:
    """Before anything is made. Raises `CommandFailed`."""
    closed = unopened(settings, content)
    if closed:
        raise CommandFailed(
            f"The keys here do not open the secrets in the backup. Put secrets.json of the saved installation into "
            f"{settings.data_dir}, or set {' and '.join(closed)} as they were there."
        )


def _restored(settings: Settings, path: Path) -> dump.Dumped:
    """The roles, the tables of the dump, and the migrations since. Raises `CommandFailed`."""
    superuser_url = settings.postgres_superuser_url.get_secret_value()
    provision(superuser_url, role_passwords(settings))
    database = in_database(superuser_url)
    if dump.has_tables(database):
        raise CommandFailed(
            "The operational database has tables already. A backup is restored where there is nothing yet: choose "
            "another --data-dir, or drop the database."
        )
    try:
        restored = dump.restore(database, path)
    except dump.DumpFailed as error:
        raise CommandFailed(f"Nothing was restored: {error}") from None
    migrate(settings.postgres_url.get_secret_value())
    return restored


def _differences(saved: Mapping[str, int], restored: Mapping[str, int]) -> dict[str, str]:
    return {
        table: f"{restored.get(table, 0):,} rows instead of {saved.get(table, 0):,}"
        for table in sorted({*saved, *restored})
        if saved.get(table) != restored.get(table)
    }


def _figures(content: BackupContent) -> dict[str, Any]:
    return {
        "made_at": content.made_at,
        "revision": content.revision,
        "operational_rows": sum(content.rows.values()),
        "lake_address": content.lake_address,
        "lake_files": len(content.files),
        "lake_bytes": sum(each.bytes for each in content.files),
    }


def _show_problems(problems: Mapping[str, str]) -> None:
    for subject, problem in problems.items():
        typer.echo(f"{subject}: {problem}", err=True)
