"""Turns of the warehouse: the statements that dbt compiled for the models of a turn, run one after the other.

dbt's own way of running a model costs more than the model in a turn over a few events, so only its SQL is used here:
`dbt run --select tag:turn` does the same.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from echolead.settings import Settings
from echolead.warehouse import connect
from echolead.warehouse_accounts import ONE_VERSION
from orchestration.dbt.project import TURN
from orchestration.dbt.runner import CompiledModel, Dbt, NodeFailure, NodeRun

FIRST = ("current_turn", "changed_tenants")
"""What says whether there is anything to do."""
LEAD_VISITORS = "lead_visitors"
"""When it is empty, no lead is concerned, and nothing that is computed of leads has to run."""
SETS = ("affected_visitors", LEAD_VISITORS, "affected_leads")
LAST = ("applied_settings", "turns")

# Of a turn that did not come to its end the affected visitors are still there.
HAS_WORK = """
select
    (select last_load != load_before from staging.current_turn)
    or (select count() from staging.changed_tenants) > 0
    or (select count() from staging.affected_visitors) > 0
"""
COLUMNS = """
select concat(database, '.', table), groupArray(name) from system.columns
where concat(database, '.', table) in {tables:Array(String)}
group by database, table
"""
# As in dbt_project/profiles.yml.
SETTINGS = {**ONE_VERSION, "join_use_nulls": "0"}


@dataclass
class WarehouseTurn:
    """What a turn did. Without `is_done` the next one begins with what it had taken."""

    models: list[NodeRun] = field(default_factory=list)
    failed: list[NodeFailure] = field(default_factory=list)
    rows_read: int = 0
    rows_written: dict[str, int] = field(default_factory=dict)
    is_done: bool = False

    def __bool__(self) -> bool:
        """Whether there was something to do."""
        return bool(self.models or self.failed)


class WarehouseTurns:
    """Runs turns over tables that `prepare` has built. One at a time: whoever runs them holds the lease of turns."""

    def __init__(self, settings: Settings, dbt: Dbt) -> None:
        self._url = settings.clickhouse("dbt")
        self._dbt = dbt
        self._models: Mapping[str, CompiledModel] = {}

    def __enter__(self) -> Self:
        self._client: Client = connect(self._url)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def forget_compiled(self) -> None:
        """Let dbt compile the models again before the next turn: the time zones of tenants are part of their SQL."""
        self._models = {}

    def run(self) -> WarehouseTurn:
        """One turn over what is new, if anything is.

        A model that fails stops those behind it, and the next turn begins with what this one had taken. Raises
        `OperationalError` when the warehouse does not answer, `DbtFailed` when the models do not compile.
        """
        if not self._models:
            self._compile()
        turn = WarehouseTurn()
        for name in FIRST:
            self._run(self._models[name], turn)
        if turn.failed:
            return turn
        if not self._client.query(HAS_WORK).result_rows[0][0]:
            return WarehouseTurn(is_done=True)
        needless: set[str] = set()
        for name, model in self._models.items():
            if name not in FIRST and name not in needless and not self._is_stopped(model, turn):
                self._run(model, turn)
            if name == LEAD_VISITORS and not self._count(LEAD_VISITORS):
                needless = set(model.behind) - set(LAST)
        if not turn.failed:
            for name in SETS:
                self._client.command(f"truncate table {relation(self._models[name])}")
            turn.is_done = True
        return turn

    def _compile(self) -> None:
        models = self._dbt.compiled(TURN)
        names = [".".join(model.key) for model in models]
        found = self._client.query(COLUMNS, parameters={"tables": names}).result_rows
        columns = {str(table): list(names) for table, names in found}
        self._models = {model.name: model for model in models}
        self._inserts = {model.name: insert(model, columns[".".join(model.key)]) for model in models}

    def _run(self, model: CompiledModel, turn: WarehouseTurn) -> None:
        started = time.monotonic()
        try:
            if model.is_rewritten:
                self._client.command(f"truncate table {relation(model)}")
            done = self._client.query(self._inserts[model.name], settings={**SETTINGS, **model.settings})
        except DatabaseError as error:
            turn.failed.append(NodeFailure.of(model.key, str(error), model.statement))
            return
        turn.models.append(NodeRun(model.key, time.monotonic() - started))
        turn.rows_read += int(done.summary["read_rows"])
        turn.rows_written[model.name] = int(done.summary["written_rows"])

    def _is_stopped(self, model: CompiledModel, turn: WarehouseTurn) -> bool:
        return any(model.name in self._models[failure.key[1]].behind for failure in turn.failed)

    def _count(self, name: str) -> int:
        found = self._client.query(f"select count() from {relation(self._models[name])}")  # noqa: S608
        return int(found.result_rows[0][0])


def relation(model: CompiledModel) -> str:
    """The model's table as SQL writes it."""
    return "`{}`.`{}`".format(*model.key)


def insert(model: CompiledModel, columns: Sequence[str]) -> str:
    """The statement that adds the model's rows to its table; columns go by their names."""
    names = ", ".join(f"`{column}`" for column in columns)
    return f"insert into {relation(model)} ({names}) select {names} from (\n{model.statement}\n)"  # noqa: S608
