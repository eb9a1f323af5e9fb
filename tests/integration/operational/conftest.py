"""A stack's folder for the command line: its settings point to the test database."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from echolead.cli import app
from echolead.operational.provision import OperationalUrls
from tests.fixtures.command_line import Run, RunJson
from tests.fixtures.operational import JWT_SECRET, SECRET_KEY


@pytest.fixture
def stack_dir(tmp_path: Path, operational_urls: OperationalUrls) -> Path:
    """A data directory as `echolead up` leaves it."""
    (tmp_path / "stack.env").write_text(
        f"ECHOLEAD_POSTGRES_SYSTEM_URL={operational_urls.system}\n"
        f"ECHOLEAD_SECRET_KEYS={SECRET_KEY}\n"
        f"ECHOLEAD_JWT_SECRET={JWT_SECRET}\n"
    )
    return tmp_path


@pytest.fixture
def run(stack_dir: Path) -> Run:
    """Runs one command on that stack: `run("tenant", "list")`."""

    def run_command(*words: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, [*words, "--data-dir", str(stack_dir)], input=stdin)

    return run_command


@pytest.fixture
def run_json(run: Run) -> RunJson:
    """Runs one command with `--json` and reads its answer."""

    def run_and_read(*words: str, stdin: str | None = None) -> Any:
        result = run(*words, "--json", stdin=stdin)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run_and_read


@pytest.fixture
def slug() -> str:
    """A tenant id no other test has."""
    return f"acme-{uuid4().hex[:8]}"
