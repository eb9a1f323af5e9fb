"""The dbt project on the embedded warehouse: rows go into the raw tables, models run, tests read the marts."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from dlt_pipelines.loads import last_load, record_load
from dlt_pipelines.raw import ensure_raw_tables, with_value
from dlt_pipelines.tables import TABLES
from echolead.embedded.clickhouse import EmbeddedWarehouse
from echolead.settings import Settings
from echolead.warehouse import connect
from orchestration.dbt.project import TURN, deploy
from orchestration.dbt.runner import CompiledModel, Dbt
from orchestration.live.warehouse_turns import WarehouseTurn, WarehouseTurns
from tests.factories import START, raw_tenant
from tests.fixtures.warehouse_tables import drop_tables

Rows = list[dict[str, Any]]
MARTS = (
    "enriched.events",
    "enriched.lead_events",
    "marts.sessions",
    "marts.identities",
    "marts.lead_touches",
    "marts.leads",
    "marts.conversions",
    "marts.attribution",
    "activation.lead_deliveries",
)
"""What turns leave for readers."""
RECORDED = "lead_result_changes"
"""What a rebuild leaves as it is."""


class FullRefresh(WarehouseTurns):
    """The statements of a full refresh, run as turns run theirs: without dbt's overhead for each model."""

    def _compiled(self) -> list[CompiledModel]:
        return with_options(self._dbt, "--full-refresh").compiled(TURN)

    def _has_nothing_to_write(self, name: str, turn: WarehouseTurn) -> bool:
        """Here models are made of all of raw."""
        return False

    def run_all(self) -> None:
        """Every model, over tables that are empty."""
        if not self._models:
            self._compile()
        done = WarehouseTurn()
        self._run_models(self._models, done)
        assert not done.failed, done.failed


def with_options(dbt: Dbt, *options: str) -> Dbt:
    """The same commands with more options, over the project as it is parsed already."""
    other = copy(dbt)
    other._where = [*dbt._where, *options]
    return other


TIME_ZONES = ("America/Sao_Paulo", "America/Manaus", "Asia/Tokyo", "America/New_York", "UTC")
"""Of the tests' tenants. They are part of the compiled SQL, so that it is compiled once for all tests."""
CLOCK, MOMENT = "now64(3, 'UTC')", "toDateTime64('{:%Y-%m-%d %H:%M:%S}', 3, 'UTC')"
"""What the macro `clock` writes for the clock and for a moment."""


class Project:
    """The dbt project, parsed once, and its warehouse. Tables are asked for as `marts.leads`.

    `clocked` are the turns whose rules see the moment that `set_clock` names.
    """

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self.settings = settings
        deploy(settings)
        self.dbt = Dbt(settings)
        self.dbt_of_moment = with_options(self.dbt, "--vars", f"now: '{START:%Y-%m-%d %H:%M:%S}'")
        self.turns = WarehouseTurns(settings, self.dbt_of_moment).__enter__()
        self._full_refresh = FullRefresh(settings, self.dbt_of_moment).__enter__()
        self.clocked: list[WarehouseTurns] = [self.turns, self._full_refresh]
        self._clock = CLOCK
        self._inserts: dict[WarehouseTurns, dict[str, str]] = {}
        self._time_zones: dict[WarehouseTurns, set[str]] = {}

    def build(self) -> None:
        """Seeds, every table without rows, and the statements of turns."""
        self.write("tenants", [raw_tenant(zone, time_zone=zone) for zone in TIME_ZONES])
        self.run("seed")
        self.run("run")
        self._prepare(*self.clocked)
        self.forget()

    def run(self, command: str = "run", *selection: str, full_refresh: bool = False) -> None:
        """Run dbt. Raises `DbtFailed` for a model or test that fails."""
        self.dbt.run(command, *selection, full_refresh=full_refresh)

    def turn(self) -> None:
        """Turns of the live path until nothing is left: what is new in raw, and every piece of open requests."""
        self._prepare(self.turns)
        while done := self.turns.run():
            assert done.is_done, done.failed

    def set_clock(self, now: datetime) -> None:
        """Let the rules of `clocked` turns see this moment instead of the clock from here on."""
        self._clock = MOMENT.format(now)
        self._prepare(*self.clocked)

    def follow_clock(self) -> None:
        """Let rules see the clock again."""
        self._clock = CLOCK
        self._prepare(*self.clocked)

    def rebuild(self) -> None:
        """Build the tables of turns whole."""
        self._prepare(self._full_refresh)
        self.forget_turns(but=RECORDED)
        self._full_refresh.run_all()

    def write(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        """Append rows (tests/factories.py) to the raw table `table`."""
        content = pa.Table.from_pylist(list(rows), schema=TABLES[table].columns)
        if TABLES[table].pipeline == "collector":
            load_seq = last_load(self._client) + 1
            content = with_value(content, "load_seq", load_seq)
        self._client.insert_arrow(f"raw.{table}", content)
        if TABLES[table].pipeline == "collector":
            record_load(self._client, load_seq, {table: content})

    def _prepare(self, *those: WarehouseTurns) -> None:
        """Compile the statements of these turns where a tenant has a time zone they do not know, and set their clock.

        Compiling takes seconds, so it is done for one moment, which is replaced in what was compiled.
        """
        zones = {row["timezone"] for row in self.query("select distinct timezone from raw.tenants")}
        for turns in those:
            if not zones <= self._time_zones.get(turns, set()):
                turns._compile()
                self._time_zones[turns] = zones
                self._inserts[turns] = turns._inserts
            compiled = self._inserts[turns].items()
            turns._inserts = {name: sql.replace(MOMENT.format(START), self._clock) for name, sql in compiled}

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

    def marts(self) -> dict[str, list[tuple[Any, ...]]]:
        """All of `MARTS`, by their names."""
        return {table: self.table(table) for table in MARTS}

    def forget(self) -> None:
        """Empty the raw tables and what turns build from them."""
        self.forget_raw()
        self.forget_turns()

    def forget_events(self) -> None:
        """The same for events alone."""
        self.forget_raw("events", "loads")
        self.forget_turns()

    def forget_raw(self, *tables: str) -> None:
        """Empty these raw tables; all of them when none is named."""
        for table in tables or TABLES:
            self._client.command(f"truncate table raw.{table}")

    def forget_turns(self, *, but: str = "") -> None:
        """Empty what turns build, without one table."""
        for database, name in self.turn_tables():
            if name != but:
                self._client.command(f"truncate table if exists {database}.{name}")

    def keep(self) -> None:
        """Copy the tables that tests change, for `restore`. Copies share their files with the tables."""
        self._client.command("drop database if exists kept")
        self._client.command("create database kept")
        for database, name in self._changing():
            self._client.command(f"create table kept.{database}_{name} clone as {database}.{name}")

    def restore(self) -> None:
        """Let the tables be as they were when they were kept."""
        for database, name in self._changing():
            self._client.command(f"truncate table {database}.{name}")
            self._client.command(f"alter table {database}.{name} attach partition all from kept.{database}_{name}")

    def _changing(self) -> list[tuple[str, str]]:
        return [*(("raw", table) for table in TABLES), *self.turn_tables()]

    def turn_tables(self) -> list[tuple[str, str]]:
        """(database, name) of the tables that turns build."""
        nodes = self.dbt.manifest.nodes.values()
        return [(str(each.schema), each.name) for each in nodes if "turn" in each.config.get("tags", [])]


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


Story = Callable[[Project], Iterator[None]]


@dataclass
class StoryResults:
    """The errors of stories that failed, and the tables that differ after a rebuild."""

    failed: dict[str, Exception] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)

    def check(self, story: Story) -> None:
        """Raises what ended the story."""
        if story.__name__ in self.failed:
            raise self.failed[story.__name__]


def run_stories(project: Project, stories: Iterable[Story]) -> StoryResults:
    """Run stories side by side, each with a tenant of its own. At each yield, turns take what all of them wrote.

    The tables are compared with a rebuild after three turns and at the end.
    """
    results = StoryResults()
    running = {story.__name__: story(project) for story in stories}
    for turns in itertools.count():
        if turns == 3:
            results.differing += differing(project)
        for name, story in list(running.items()):
            try:
                next(story)
            except Exception as error:
                del running[name]
                if not isinstance(error, StopIteration):
                    results.failed[name] = error
        if not running:
            break
        project.turn()
    results.differing += differing(project)
    return results


def differing(project: Project) -> list[str]:
    """The tables whose rows a rebuild changes."""
    by_turns = project.marts()
    project.rebuild()
    rebuilt = project.marts()
    return [table for table in MARTS if by_turns[table] != rebuilt[table]]


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
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), clickhouse_url=SecretStr(warehouse_server.url))
    with closing(connect(warehouse_server.url)) as client:
        drop_tables(client)
        ensure_raw_tables(settings)
        project = Project(client, settings)
        project.build()
        yield project
        drop_tables(client)
