"""The root command: quick, complete, and the place where errors become sentences."""

import subprocess
import sys

import psycopg
import pytest
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner

from echolead.cli import COMMANDS, LazyCommand, app
from echolead.cli.errors import CommandFailed, explain
from echolead.operational.errors import NotFound

HEAVY = ("sqlalchemy", "alembic", "clickhouse_connect", "pydantic", "dagster", "dlt", "rich.progress", "cryptography")


def test_help_lists_every_command_and_imports_none() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from echolead.cli import app; "
        "print(CliRunner().invoke(app, ['--help']).output); "
        f"print('IMPORTED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert [name for name in COMMANDS if name not in output] == []
    assert "IMPORTED []" in output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads_and_has_help(name: str) -> None:
    command = LazyCommand(name, *COMMANDS[name]).load()
    assert command.name in (name, None, *name.split("-")) or command.help
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert f"echolead {name}" in result.output or f"{name} [OPTIONS]" in result.output


def test_an_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(app, ["telepathy"])
    assert result.exit_code == 2
    assert "No such command 'telepathy'" in result.stderr


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (CommandFailed("Do this."), "Do this."),
        (NotFound("There is no tenant x."), "There is no tenant x."),
        (psycopg.OperationalError("connection refused\nmore"), "PostgreSQL does not answer (connection refused)."),
        (OperationalError("select", {}, psycopg.OperationalError("gone")), "PostgreSQL does not answer (gone)."),
    ],
)
def test_an_error_the_user_can_solve_is_one_sentence(error: Exception, sentence: str) -> None:
    assert (explain(error) or "").startswith(sentence)


def test_an_internal_error_is_not_turned_into_a_sentence() -> None:
    assert explain(ZeroDivisionError()) is None
