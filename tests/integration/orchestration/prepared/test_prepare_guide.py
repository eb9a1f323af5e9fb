"""docs/guides/analysts.md, step by step as it stands: its edits, its files and its commands."""

import re
import shlex
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from typer.testing import CliRunner

from echolead.cli import app
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.settings import Settings
from echolead.warehouse import connect
from orchestration.dbt import project
from orchestration.dbt.command import run
from orchestration.dbt.runner import Dbt
from orchestration.live.warehouse_turns import WarehouseTurns
from orchestration.prepare import prepare
from tests.fixtures.prepared import Prepared

GUIDE = Path(__file__).parents[4] / "docs" / "guides" / "analysts.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROJECT = "dbt_project/"
DEV = "dev_tester"


def edit(source: Path, diff: str) -> None:
    """Put the lines with `+` between the others, which are there once."""
    name, *lines = diff.splitlines()
    path = source / name.removeprefix(PROJECT)
    before = "\n".join(line[1:] for line in lines if line.startswith(" "))
    text = path.read_text()
    assert text.count(before) == 1, f"{name}: {before}"
    path.write_text(text.replace(before, "\n".join(line[1:] for line in lines)))


def write(source: Path, content: str) -> None:
    """A new file, named in its first line."""
    name = content.splitlines()[0].lstrip("-# ")
    path = source / name.removeprefix(PROJECT)
    assert not path.exists()
    path.write_text(content)


def execute(settings: Settings, line: str) -> list[str]:
    """One command of the guide; what it printed, for a query."""
    words = shlex.split(line.replace("{dev}", DEV))
    assert words.pop(0) == "echolead"
    if words[0] == "up":
        prepare(settings)
        return []
    if words[:3] == ["dbt", "--target", "dev"]:
        # Many commands in one process: dbt leaves the file of its log open.
        assert run(settings, project.DEV, [*words[3:], "--log-level-file", "none"]) == 0, line
        return []
    answer = CliRunner().invoke(app, [*words, "--data-dir", str(settings.data_dir)])
    assert answer.exit_code == 0, answer.output
    return answer.output.splitlines()


@pytest.fixture(scope="module")
def after_the_hour(prepared: Prepared, warehouse_server: EmbeddedWarehouse) -> dict[str, list[str]]:
    """What each command of the guide printed."""
    settings = prepared.settings.model_copy(update={"developer": "tester"})
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ECHOLEAD_CLICKHOUSE_READONLY_URL", warehouse_server.readonly_url)
        environment.setenv("ECHOLEAD_POSTGRES_SYSTEM_URL", settings.postgres_system_url.get_secret_value())
        printed = {}
        for kind, content in BLOCK.findall(GUIDE.read_text()):
            if kind == "diff":
                edit(prepared.source, content)
            elif kind in ("sql", "yaml"):
                write(prepared.source, content)
            else:
                for line in content.splitlines():
                    before = marts(prepared)
                    printed[line] = execute(settings, line)
                    assert line == "echolead up" or marts(prepared) == before, "only a start changes what readers see"
    with WarehouseTurns(settings, Dbt(settings)) as turns:  # of the live path, which starts then
        turn = turns.run()
        assert turn.is_done, turn.failed
    return printed


def marts(prepared: Prepared) -> dict[str, str]:
    """What readers see, by the tables' ids."""
    return {name: uuid for name, uuid in prepared.stored().items() if not name.startswith(("raw.", "dev_"))}


def test_the_place_of_ones_own_has_the_rows_of_production(
    prepared: Prepared, after_the_hour: dict[str, list[str]]
) -> None:
    assert prepared.rows(f"select count() > 0 from {DEV}_marts.leads") == [(True,)]
    counted = prepared.rows("select count() from marts.leads where tenant_id = 'acme'")
    assert prepared.rows(f"select count() from {DEV}_marts.leads") == counted


def test_the_column_is_there_for_what_happened_before(prepared: Prepared, after_the_hour: dict[str, list[str]]) -> None:
    for database in (f"{DEV}_marts", "marts"):
        wrong = f"select count(), countIf(weekday != toDayOfWeek(occurred_date)) from {database}.conversions"
        assert prepared.rows(wrong)[0][1] == 0
        assert prepared.rows(wrong)[0][0] > 0


def test_the_tenants_channel_is_tried_before_it_is_given(
    prepared: Prepared, after_the_hour: dict[str, list[str]]
) -> None:
    tried = next(printed for line, printed in after_the_hour.items() if "from {dev}_marts.lead_touches" in line)
    assert any("Parceiros" in line for line in tried)
    assert prepared.rows("select channel from enriched.events where channel = 'Parceiros'")


def test_the_new_table_has_a_page_in_the_console(prepared: Prepared, after_the_hour: dict[str, list[str]]) -> None:
    pages = dict(prepared.rows("select table_name, page from ops.console_pages where tenant_id = 'acme'"))
    assert '"pt-BR": "Convers' in pages["marts.conversion_days"].replace('":"', '": "')
    assert prepared.rows("select sum(conversions) from marts.conversion_days") > [(0,)]


def test_an_analysts_account_writes_nothing_that_others_read(warehouse_server: EmbeddedWarehouse) -> None:
    analyst = connect(warehouse_server.url_of("analyst"))
    for statement in ("truncate table marts.leads", "drop table raw.events", "create view marts.mine as select 1 as a"):
        with pytest.raises(DatabaseError, match="Not enough privileges"):
            analyst.command(statement)
