"""The dbt project on the embedded warehouse: rows go into the raw tables, models run, tests read the marts."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from pydantic import SecretStr

from dlt_pipelines.loads import last_load, record_load
from dlt_pipelines.raw import ensure_raw_tables, with_value
from dlt_pipelines.tables import TABLES
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.settings import Settings
from echolead.warehouse import connect
from orchestration.dbt.project import TURN, deploy
from orchestration.dbt.runner import Dbt
from orchestration.live.warehouse_turns import WarehouseTurns

Rows = list[dict[str, Any]]
PROJECT_DIR = Path(__file__).parents[3] / "dbt_project"


class Project:
    """The dbt project, parsed once, and its warehouse. Tables are asked for as `marts.leads`."""

    def __init__(self, client: Client, work_dir: Path, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self.url = settings.clickhouse_url.get_secret_value()
        self._work_dir = work_dir
        self._manifest: Manifest | None = None
        self._manifest = self._dbt("parse")

    def _dbt(self, *arguments: str) -> Any:
        directories = ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)]
        written = ["--target-path", str(self._work_dir), "--log-path", str(self._work_dir), "--no-write-json"]
        answer = dbtRunner(manifest=self._manifest).invoke(
            ["--quiet", "--log-level-file", "none", *arguments, *directories, *written]
        )
        results = getattr(answer.result, "results", [])
        said = [f"{each.node.name}: {each.message}" for each in results if each.status in ("error", "fail", "warn")]
        assert answer.success, "\n".join(said) or answer.exception
        return answer.result

    def run(self, command: str = "run", *selection: str, full_refresh: bool = False) -> None:
        """Run dbt; a model or test that fails is an assertion that fails."""
        chosen = ["--select", *selection] if selection else []
        self._dbt(command, *chosen, *(["--full-refresh"] if full_refresh else []))

    @cached_property
    def turns(self) -> WarehouseTurns:
        """The turns of the live path."""
        deploy(self._settings)
        return WarehouseTurns(self._settings, Dbt(self._settings)).__enter__()

    def turn(self) -> None:
        """Turns of the live path until nothing is left: what is new in raw, and every piece of open requests."""
        while done := self.turns.run():
            assert done.is_done, done.failed

    def rebuild(self) -> None:
        """Build the tables of turns whole."""
        self.run("run", TURN, full_refresh=True)

    def write(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        """Append rows (tests/factories.py) to the raw table `table`."""
        content = pa.Table.from_pylist(list(rows), schema=TABLES[table].columns)
        if TABLES[table].pipeline == "collector":
            load_seq = last_load(self._client) + 1
            content = with_value(content, "load_seq", load_seq)
        self._client.insert_arrow(f"raw.{table}", content)
        if TABLES[table].pipeline == "collector":
            record_load(self._client, load_seq, {table: content})
        if table == "tenants":
            self.turns.forget_compiled()  # their time zones are part of the SQL

    def decide(self, decisions: Rows) -> None:
        """Mirror these decisions of operators (tests/factories.py), and no others."""
        self._client.command("truncate table raw.lead_decisions")
        rows = [list(decision.values()) for decision in decisions]
        self._client.insert("raw.lead_decisions", rows, column_names=list(decisions[0]))

    def query(self, sql: str, **parameters: Any) -> Rows:
        """The rows of a query, each a dict. Times are UTC, as all in the warehouse."""
        rows = self._client.query(sql, parameters=parameters, settings={"final": 1}).named_results()
        return [{name: _aware(value) for name, value in row.items()} for row in rows]

    def command(self, sql: str) -> None:
        """Change something beside the models."""
        self._client.command(sql)

    def table(self, name: str, *, without: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
        """All of a table as sorted rows of text, without some columns."""
        versions = self._version_columns(name)
        left_out = f" except ({', '.join((*without, *versions))})" if without or versions else ""
        query = f"select toString(tuple(*)) from (select *{left_out} from {name}) order by 1"
        result = self._client.query(query, settings={"final": 1})
        return [tuple(row) for row in result.result_rows]

    def _version_columns(self, name: str) -> tuple[str, ...]:
        found = self._client.query(
            "select name from system.columns where concat(database, '.', table) = {table:String}"
            " and name in ('turn', 'is_deleted')",
            parameters={"table": name},
        )
        return tuple(row[0] for row in found.result_rows)

    def forget(self) -> None:
        """Empty the raw tables and what turns build from them."""
        for table in TABLES:
            self._client.command(f"truncate table raw.{table}")
        self._client.command("truncate table raw.lead_decisions")
        self.forget_turns()

    def forget_events(self) -> None:
        """The same for events alone."""
        for table in ("events", "loads"):
            self._client.command(f"truncate table raw.{table}")
        self.forget_turns()

    def forget_turns(self) -> None:
        """Empty what turns build."""
        for database, name in self.turn_tables():
            self._client.command(f"truncate table if exists {database}.{name}")

    def turn_tables(self) -> list[tuple[str, str]]:
        """(database, name) of the tables that turns build."""
        nodes = self._manifest.nodes.values() if self._manifest else ()
        return [(str(each.schema), each.name) for each in nodes if "turn" in each.config.get("tags", [])]


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


class Killed(Exception):
    """The process of a turn ends."""


@dataclass
class Life:
    """How many more models turns run before their process dies."""

    models: int = 0


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch, project: Project) -> Life:
    """Of the turns of this test, once everything it starts from is there."""
    run, life = WarehouseTurns._run, Life()

    def dying(turns: WarehouseTurns, *arguments: Any) -> None:
        life.models -= 1
        if life.models < 0:
            raise Killed
        run(turns, *arguments)

    monkeypatch.setattr(WarehouseTurns, "_run", dying)
    return life


@pytest.fixture(scope="package")
def project(warehouse_server: EmbeddedWarehouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project with its seeds loaded and its views made, over empty raw tables."""
    data_dir = tmp_path_factory.mktemp("data")
    settings = Settings(data_dir=data_dir, clickhouse_url=SecretStr(warehouse_server.url))
    ensure_raw_tables(settings)
    url = urlsplit(warehouse_server.url)
    with pytest.MonkeyPatch.context() as environment, closing(connect(warehouse_server.url)) as client:
        for name, value in (
            ("HOST", url.hostname),
            ("PORT", url.port),
            ("USER", url.username),
            ("PASSWORD", url.password),
        ):
            environment.setenv(f"ECHOLEAD_DBT_{name}", str(value))
        project = Project(client, tmp_path_factory.mktemp("dbt"), settings)
        project.forget()
        project.run("seed")
        project.run("run", "+tag:turn")
        yield project
