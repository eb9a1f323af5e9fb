"""Turns of the warehouse: the statements that dbt compiled for the models of a turn, each after those it depends on.

dbt's own way of running a model costs more than the model in a turn over a few events, so only its SQL is used here:
`dbt run --select tag:turn` does the same.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, fields
from graphlib import TopologicalSorter
from types import TracebackType
from typing import Self

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from echolead.operational.warehouse_requests import Progress
from echolead.settings import Settings
from echolead.warehouse import connect
from echolead.warehouse_accounts import ONE_VERSION
from orchestration.dbt.project import TURN
from orchestration.dbt.runner import CompiledModel, Dbt, NodeFailure, NodeRun

FIRST = ("changed_tenants", "due_leads", "current_turn")
"""What says whether there is anything to do."""
LEAD_VISITORS = "lead_visitors"
"""When it is empty, no lead is concerned, and nothing that is computed of leads has to run."""
SETS = ("affected_visitors", LEAD_VISITORS, "affected_leads")
LOADS = "loads"
"""Stands in `rows_written` for the loads that the turn takes, with their events."""
NEW_EVENTS = ("fresh_events", "withdrawn_events")
NOTHING_WITHOUT = {
    "arrived_events": (LOADS, "requested_visitors"),
    "fresh_events": ("arrived_events",),
    "events": NEW_EVENTS,
    "lead_events": NEW_EVENTS,
    "recounted_values": NEW_EVENTS,
    "changed_visitors": NEW_EVENTS,
    "affected_visitors": ("changed_visitors",),
    "sessions": ("affected_visitors",),
    "remembered_sources": ("remembered_touches",),
    "lead_conversations": ("lead_contacts",),
    "lead_chat_facts": ("lead_contacts",),
    "lead_deal_facts": ("deals_of_leads",),
    "conversation_deliveries": ("concerned_conversations",),
}
"""Models that have nothing to write when none of the others did, and those of `SETS` are empty."""
WANTED_STATES = "lead_deliveries"
"""What the delivery engine reads. It need not wait for the models behind and beside it."""
BEFORE = {"sessions_before": "sessions", "leads_before": "leads"}
"""Models that read a table before the other model replaces its rows. dbt does not know this order."""
REQUESTED = ("requested_visitors", "requested_leads")
"""They are empty in a turn over loads."""
OF_REQUESTS = (*BEFORE, "request_changes")
"""Models that, like those of `REQUESTED`, run only in turns over a piece of a request."""
WITHDRAWN = "withdrawn_events"
"""It is empty unless a visitor or tenant was quarantined since the last turn."""
SETTLING = ("applied_settings", "turns")
"""Models that mark a turn as done, in this order. They do not run when a model has failed."""
LAST = (*OF_REQUESTS, *SETTLING)
MODELS_AT_ONCE = 2
"""The engine plans a statement on one processor, and planning is most of what a model costs in a turn."""

LOADS_PASSED_OVER = 1000
"""Loads without anything for these turns are no work, but passed over now and then: no look has to read all of them."""

# Of a turn over loads that did not come to its end the affected visitors are still there; by the clock, lead_visitors.
WORK = """
select
    new_events > 0
    or last_load > load_before + {passed_over}
    or takes_request
    or (select count() from {changed_tenants} where not has_other_rules and not has_other_deliveries) > 0
    or (select count() from {due_leads}) > 0
    or (select count() from {affected_visitors} where request_id = '' and not has(held_tenants, tenant_id)) > 0
    or (select count() from {lead_visitors} where request_id = '' and not has(held_tenants, tenant_id)) > 0
    or notEmpty(entering),
    (select count() from {due_leads}),
    open_requests,
    notEmpty(entering),
    new_events,
    request_id,
    request_tenant_id,
    request_kind
from {current_turn}
"""
PROGRESS = "select * from ops.requests where request_id = {request_id:String}"
COLUMNS = """
select concat(database, '.', table), groupArray(name) from system.columns
where concat(database, '.', table) in {tables:Array(String)}
group by database, table
"""
# As in dbt_project/profiles.yml.
SETTINGS = {**ONE_VERSION, "join_use_nulls": "0"}
# Planning is most of what a statement over few rows costs. These take two fifths of it; results are the same.
QUICK_PLANS = {
    "analyzer_inline_views": "1",
    "join_algorithm": "hash",
    "optimize_and_compare_chain": "0",
    "query_plan_merge_expressions": "0",
}
KNOWN_SETTINGS = "select name from system.settings where name in {names:Array(String)}"


@dataclass
class WarehouseTurn:
    """What a turn did. Without `is_done` the next one begins with what it had taken.

    `request` is that of which it took a piece, if it did; `open_requests` counts those that were open when it began.
    `due_leads` are those that the clock had made due by then, as far as one turn takes them.
    """

    models: list[NodeRun] = field(default_factory=list)
    failed: list[NodeFailure] = field(default_factory=list)
    rows_read: int = 0
    rows_written: dict[str, int] = field(default_factory=dict)
    open_requests: int = 0
    due_leads: int = 0
    request: Progress | None = None
    is_done: bool = False

    def __bool__(self) -> bool:
        """Whether there was something to do."""
        return bool(self.models or self.failed)


class WarehouseTurns:
    """Runs turns over tables that `prepare` has built. One at a time: whoever runs them holds the lease of turns.

    `on_wanted` is called in a turn that changes wanted states as soon as these are there. It must not raise.
    """

    def __init__(self, settings: Settings, dbt: Dbt, on_wanted: Callable[[], object] = lambda: None) -> None:
        self._settings = settings
        self._dbt = dbt
        self._on_wanted = on_wanted
        self._models: Mapping[str, CompiledModel] = {}
        self._noting = threading.Lock()

    def __enter__(self) -> Self:
        self._client: Client = connect(self._settings.clickhouse("dbt"))
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

        A model that fails stops those behind it, and the next turn of its kind begins with what this one had taken.
        Raises `OperationalError` when the warehouse does not answer, `DbtFailed` when the models do not compile.
        """
        if not self._models:
            self._compile()
        turn = WarehouseTurn()
        self._run_models({name: self._models[name] for name in FIRST if name in self._models}, turn)
        if turn.failed:
            return turn
        found = self._client.query(WORK.format(**self._tables(), passed_over=LOADS_PASSED_OVER)).result_rows[0]
        has_work, turn.due_leads, turn.open_requests, is_entered, new_events, *request = found
        if not has_work:
            return WarehouseTurn(is_done=True)
        turn.request = Progress(*request) if request[0] else None
        turn.rows_written[LOADS] = new_events
        self._run_rest(turn, is_entered)
        # A turn that fails leaves its keys: the next of its kind finds what this one has changed already.
        if not turn.failed:
            for name in SETS:
                self._client.command(
                    f"alter table {relation(self._models[name])} drop partition {{request_id:String}}",
                    parameters={"request_id": request[0]},
                )
        turn.is_done = not turn.failed
        return turn

    def progress(self, request_id: str) -> Progress | None:
        """How far a request has come; None before its first piece."""
        rows = self._client.query(self._placed(PROGRESS), parameters={"request_id": request_id}).named_results()
        found = next(iter(rows), None)
        if found is None:
            return None
        known = {each.name for each in fields(Progress)}
        told = {name: value for name, value in found.items() if name in known}
        return Progress(**told, changes={name: value for name, value in found.items() if name not in known})

    def _run_rest(self, turn: WarehouseTurn, is_entered: bool) -> None:
        """The models behind `FIRST`. `is_entered`: a visitor or tenant was quarantined since the last turn."""
        models = {name: model for name, model in self._models.items() if name not in FIRST}
        if not turn.request:
            self._leave_out(models, REQUESTED, OF_REQUESTS)
        if not is_entered:
            self._leave_out(models, (WITHDRAWN,))
        self._run_models(models, turn)

    def _leave_out(self, models: dict[str, CompiledModel], emptied: Sequence[str], others: Sequence[str] = ()) -> None:
        """Do not run these models; other models read those that are emptied."""
        for name in emptied:
            self._client.command(f"truncate table {relation(models[name])}")
        for name in (*emptied, *others):
            models.pop(name, None)

    def _run_models(self, models: Mapping[str, CompiledModel], turn: WarehouseTurn) -> None:
        """Each as soon as those it depends on are done, unless one of them failed or leaves it nothing to do."""
        needless: frozenset[str] = frozenset()
        order = TopologicalSorter(depended_on(models))
        order.prepare()
        running: dict[Future[None], str] = {}
        with ThreadPoolExecutor(MODELS_AT_ONCE) as threads:
            while order.is_active():
                for name in sorted(order.get_ready(), key=lambda ready: urgency(models[ready])):
                    if name in needless or self._is_stopped(models[name], turn):
                        order.done(name)
                    else:
                        running[threads.submit(self._run, models[name], turn)] = name
                for name in done(running):
                    order.done(name)
                    # A turn that did not come to its end has left its own there.
                    if name == LEAD_VISITORS and not turn.rows_written.get(name) and not self._count(name):
                        needless = models[name].behind - set(LAST)
                    if name == WANTED_STATES and turn.rows_written.get(name):
                        self._on_wanted()

    def _compile(self) -> None:
        models = self._compiled()
        names = [".".join(model.key) for model in models]
        found = self._client.query(COLUMNS, parameters={"tables": names}).result_rows
        columns = {str(table): list(names) for table, names in found}
        self._models = {model.name: model for model in models}
        self._inserts = {model.name: insert(model, columns[".".join(model.key)]) for model in models}
        known = self._client.query(KNOWN_SETTINGS, parameters={"names": [*QUICK_PLANS]}).result_rows
        self._quick_plans = {name: QUICK_PLANS[name] for (name,) in known}

    def _compiled(self) -> list[CompiledModel]:
        return self._dbt.compiled(TURN)

    def _tables(self) -> dict[str, str]:
        """The tables of these turns by the names of their models."""
        return {name: relation(model) for name, model in self._models.items()}

    def _placed(self, sql: str) -> str:
        """A query of this module over the tables of these turns."""
        return sql

    def _run(self, model: CompiledModel, turn: WarehouseTurn) -> None:
        started = time.monotonic()
        try:
            if model.is_rewritten:
                self._client.command(f"truncate table {relation(model)}")
            if self._has_nothing_to_write(model.name, turn):
                turn.rows_written[model.name] = 0
                return
            settings = {
                **SETTINGS,
                **self._quick_plans,
                **model.settings,
                "log_comment": str(turn.rows_read if model.name == SETTLING[-1] else ""),
            }
            found = self._client.query(self._inserts[model.name], settings=settings)
        except DatabaseError as error:
            turn.failed.append(NodeFailure.of(model.key, str(error), model.statement))
            return
        with self._noting:
            turn.models.append(NodeRun(model.key, time.monotonic() - started))
            turn.rows_read += int(found.summary["read_rows"])
            turn.rows_written[model.name] = int(found.summary["written_rows"])

    def _has_nothing_to_write(self, name: str, turn: WarehouseTurn) -> bool:
        """Whether what the model is made of is empty. A turn that did not come to its end has left keys in `SETS`."""
        sources = NOTHING_WITHOUT.get(name, ())
        if not sources or any(turn.rows_written.get(source) for source in sources):
            return False
        return not any(source in SETS and self._count(source) for source in sources)

    def _is_stopped(self, model: CompiledModel, turn: WarehouseTurn) -> bool:
        if model.name in SETTLING and turn.failed:
            return True
        return any(model.name in self._models[failure.key[1]].behind for failure in turn.failed)

    def _count(self, name: str) -> int:
        found = self._client.query(f"select count() from {relation(self._models[name])}")  # noqa: S608
        return int(found.result_rows[0][0])


def depended_on(models: Mapping[str, CompiledModel]) -> dict[str, set[str]]:
    """Which of these models each waits for: those it depends on, those of `BEFORE`, and those that settle for all."""
    waits: dict[str, set[str]] = {name: set() for name in models}
    for name, model in models.items():
        settling = SETTLING[SETTLING.index(name) + 1 :] if name in SETTLING else SETTLING
        for later in {*model.behind, BEFORE.get(name), *settling} & waits.keys():
            waits[str(later)].add(name)
    return waits


def urgency(model: CompiledModel) -> tuple[bool, int]:
    """Sorts models that could run now: what the wanted states wait for first, then what most others wait for."""
    return model.name != WANTED_STATES and WANTED_STATES not in model.behind, -len(model.behind)


def done(running: dict[Future[None], str]) -> Iterator[str]:
    """The models that are done as soon as one is, no longer in `running`. Raises what running one has raised."""
    for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
        name = running.pop(future)
        future.result()
        yield name


def relation(model: CompiledModel) -> str:
    """The model's table as SQL writes it."""
    return "`{}`.`{}`".format(*model.key)


def insert(model: CompiledModel, columns: Sequence[str]) -> str:
    """The statement that adds the model's rows to its table; columns go by their names."""
    names = ", ".join(f"`{column}`" for column in columns)
    return f"insert into {relation(model)} ({names}) select {names} from (\n{model.statement}\n)"  # noqa: S608
