"""One turn after the other: load events, mirror configuration, run the hot models, deliver, mirror the ledger."""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import nats.errors
import psycopg
from clickhouse_connect.driver.exceptions import Error as WarehouseError

from dlt_pipelines.collector.loader import EventLoader, Load, LoadFailed
from dlt_pipelines.lease import Lease, LeaseLost
from dlt_pipelines.operational.changes import MAX_ROWS
from dlt_pipelines.operational.mirror import mirror_configuration, mirror_ledger
from echolead.settings import Settings
from orchestration.dbt.project import HOT, HOT_LEASE, REST_LEASE
from orchestration.dbt.runner import Dbt, DbtFailed, NodeRun
from orchestration.live.watermarks import WatermarkReader
from reverse_etl.engine import Deliveries, Engine

WAIT_SECONDS = 2.0
"""How long an idle turn waits for an event; also how late a change of the configuration is noticed."""
FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS = 0.5, 10.0
GIVE_UP_SECONDS = 300.0
"""A turn that fails for this long fails the run, so that Dagster shows it; the next run tries on."""

CONSOLE = "tag:console"
CONSOLE_SECONDS = 5.0
"""Models that only the console reads run when the queue is empty, this often at most."""

TRANSIENT = (
    LoadFailed,
    DbtFailed,
    WarehouseError,
    nats.errors.Error,
    psycopg.OperationalError,
    TimeoutError,
    ConnectionError,
)

log = logging.getLogger(__name__)


@dataclass
class Turn:
    """What one turn did. Empty when nothing had happened."""

    load: Load = field(default_factory=Load)
    mirrored: dict[str, int] = field(default_factory=dict)  # rows by table of raw
    models: list[NodeRun] = field(default_factory=list)
    deliveries: Deliveries | None = None
    seconds: float = 0.0  # without the waiting for an event

    def __bool__(self) -> bool:
        return bool(self.load.messages or self.mirrored or self.models)


class LiveLoop:
    """The steps with what they keep between turns. Entering waits for the lease of the single loader."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Before the lease: a successor parses while the run before it still loads.
        self._dbt = Dbt(settings, structure_is_prepared=True)
        self._is_hot_due = self._is_console_due = True  # for whatever came while nobody looped
        self._console_ran = float("-inf")
        self._configuration: str | None = None
        self._ledger: tuple[str | None, str | None] | None = None
        self._open = ExitStack()

    def __enter__(self) -> "LiveLoop":
        with ExitStack() as opening:
            self._loader = opening.enter_context(EventLoader(self._settings))
            self._engine = opening.enter_context(Engine(self._settings))
            self._watermarks = opening.enter_context(closing(WatermarkReader(self._settings)))
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def turn(self) -> Turn:
        """Do what there is to do, or wait `WAIT_SECONDS` for an event. Raises one of `TRANSIENT`, or `LeaseLost`."""
        turn = Turn()
        has_work = self._is_hot_due or self._can_run_console()
        turn.load = self._loader.load_once(0.0 if has_work else WAIT_SECONDS)
        started = time.monotonic()
        self._is_hot_due |= turn.load.events > 0
        marks = self._watermarks.read()
        if marks.configuration != self._configuration:
            turn.mirrored |= _changed(mirror_configuration(self._settings))
            self._is_hot_due = True
            self._configuration = marks.configuration
        if self._is_hot_due:
            turn.models += self._run_models(HOT, HOT_LEASE)
            self._is_hot_due, self._is_console_due = False, True
            turn.deliveries = self._engine.run_once()
        elif marks.is_delivery_due:
            turn.deliveries = self._engine.run_once()
        self._mirror_ledger(turn)
        if not turn.load.messages and self._can_run_console():
            turn.models += self._run_models(CONSOLE, REST_LEASE)
            self._is_console_due, self._console_ran = False, time.monotonic()
        turn.seconds = time.monotonic() - started
        return turn

    def _can_run_console(self) -> bool:
        return self._is_console_due and time.monotonic() - self._console_ran > CONSOLE_SECONDS

    def _mirror_ledger(self, turn: Turn) -> None:
        """The models over the ledger are views, so that its rows are all the console needs."""
        ledger = self._watermarks.read().ledger
        if ledger == self._ledger:
            return
        mirrored = _changed(mirror_ledger(self._settings))
        turn.mirrored |= mirrored
        if max(mirrored.values(), default=0) < MAX_ROWS:
            self._ledger = ledger

    def _run_models(self, selection: str, lease: str) -> list[NodeRun]:
        with Lease(self._settings.postgres_loader_url.get_secret_value(), lease):
            return self._dbt.run("run", selection)


def run_loop(settings: Settings, is_over: Callable[[], bool], report: Callable[[Turn], None]) -> None:
    """Turn until `is_over()`, telling each turn to `report`.

    A step that fails is tried again with growing delays: nothing is lost, the queue keeps what is not loaded and the
    ledger what is not delivered. Raises the error when it lasts `GIVE_UP_SECONDS`, `LeaseLost` at once.
    """
    failing_since: float | None = None
    delay = FIRST_DELAY_SECONDS
    with LiveLoop(settings) as loop:
        while not is_over():
            try:
                report(loop.turn())
            except LeaseLost:
                raise
            except TRANSIENT as error:
                failing_since = failing_since or time.monotonic()
                if time.monotonic() - failing_since > GIVE_UP_SECONDS:
                    raise
                log.warning("The turn failed and is tried again in %.1f s: %s", delay, error)
                time.sleep(delay)
                delay = min(delay * 2, MAX_DELAY_SECONDS)
            else:
                failing_since, delay = None, FIRST_DELAY_SECONDS


def _changed(rows: dict[str, int]) -> dict[str, int]:
    return {table: count for table, count in rows.items() if count}
