"""Common to all administrative commands: the stack's settings, a transaction, and the output."""

import getpass
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from echolead.cli.addresses import operational_url
from echolead.cli.errors import CommandFailed
from echolead.operational.database import connect, system_session
from echolead.settings import Settings, load_settings


@contextmanager
def administering(data_dir: Path | None) -> Iterator[tuple[Settings, Session]]:
    """The stack's settings and one transaction across tenants. Raises `CommandFailed` when no stack is configured."""
    settings = load_settings(data_dir)
    engine = connect(operational_url(settings), pool_size=1, application_name="echolead-cli")
    try:
        with system_session(engine) as session:
            yield settings, session
    finally:
        engine.dispose()


def actor() -> str:
    """The user of the command line, for the audit log."""
    return f"cli:{getpass.getuser()}"


def show_json(value: Any) -> None:
    """Print a value as one line of JSON; times in RFC 3339, ids as text."""
    sys.stdout.write(msgspec.json.encode(value, enc_hook=_encode).decode() + "\n")


def show_table(rows: Sequence[Mapping[str, Any]], columns: Iterable[str], *, nothing: str) -> None:
    """Print rows as a table of the named columns, or a sentence when there are none."""
    if not rows:
        typer.echo(nothing)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    names = list(columns)
    for name in names:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(cell(row[name]) for name in names))
    _print(table)


def show_record(record: Mapping[str, Any]) -> None:
    """Print one record, one field per line."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in record.items():
        table.add_row(name.replace("_", " "), cell(value))
    _print(table)


def cell(value: Any) -> str:
    """A value in readable form."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        case Mapping():
            return "\n".join(f"{key}={entry}" for key, entry in value.items()) or "-"
        case list() | tuple():
            return "\n".join(str(entry) for entry in value) or "-"
        case _:
            return str(value)


def assignments(
    pairs: Iterable[str], *, option: str, hidden: bool = False, stdin: TextIO | None = None
) -> dict[str, str]:
    """`k=v` options as a mapping; a hidden `k=-` is read from standard input, or asked for at a terminal.

    Raises `CommandFailed`. The message never repeats a hidden value.
    """
    values: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name.strip():
            shown = "a value without a name" if hidden else repr(pair)
            raise CommandFailed(f"{option} takes name=value, and was given {shown}.")
        values[name.strip()] = hidden_value(name, value, stdin) if hidden else value
    return values


def hidden_value(name: str, value: str, stdin: TextIO | None = None) -> str:
    """A secret given on the command line; `-` is read from standard input, or asked for at a terminal.

    Raises `CommandFailed` when standard input is at its end.
    """
    if value != "-":
        return value
    stdin = stdin or sys.stdin
    if stdin.isatty():
        return getpass.getpass(f"{name}: ")
    line = stdin.readline().rstrip("\r\n")
    if not line:
        raise CommandFailed(f"Standard input holds no value for {name}: give one line for each secret.")
    return line


def _print(table: Table) -> None:
    """As wide as the terminal; without a limit if there is none, so that nothing is cut in a log or a pipe."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    # Names and addresses are data and must not be read as markup.
    console.print(table, markup=False, highlight=False)


def _encode(value: Any) -> Any:
    if isinstance(value, UUID | Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
