"""One turn after the other: load events, mirror configuration, run the hot models, deliver, mirror the ledger."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from dlt_pipelines.collector.loader import EventLoader, Load
from dlt_pipelines.lease import Lease
from dlt_pipelines.operational.changes import MAX_ROWS
from dlt_pipelines.operational.mirror import mirror_configuration, mirror_ledger
from echolead.operational.live_steps import StepRecord
from echolead.settings import Settings
from orchestration.dbt.project import HOT, HOT_LEASE, REST_LEASE
from orchestration.dbt.runner import Dbt, NodeFailure, NodeRun
from orchestration.live.culprit import find_culprit
from orchestration.live.steps import MODEL_STEP, Steps
from orchestration.live.watermarks import WatermarkReader, Watermarks
from reverse_etl.engine import Deliveries, DeliveryEngine

WAIT_SECONDS = 2.0
"""How long an idle turn waits for an event; also how late a change of the configuration is noticed."""

CONSOLE = "console"
CONSOLE_SECONDS = 5.0
"""Models that only the console reads run when the queue is empty, this often at most."""

# The names of the steps, as `doctor` and the health page show them. A model is a step of its own: `model marts.leads`.
LOAD, WATERMARKS, CONFIGURATION = "loading events", "reading what changed", "mirroring the configuration"
HOT_MODELS, CONSOLE_MODELS = "running the hot models", "running the console's models"
DELIVER, LEDGER = "delivering", "mirroring the ledger"

log = logging.getLogger(__name__)


@dataclass
class Turn:
    """What one turn did. Empty when nothing had happened."""

    load: Load = field(default_factory=Load)
    mirrored: dict[str, int] = field(default_factory=dict)  # rows by table of raw
    models: list[NodeRun] = field(default_factory=list)
    deliveries: Deliveries | None = None
    seconds: float = 0.0  # without the waiting for an event
    failing: set[str] | None = None  # the steps that fail, when they are others than before

    def __bool__(self) -> bool:
        return bool(self.load.messages or self.mirrored or self.models or self.failing is not None)


class ModelSet:
    """Models that run for one reason, by the selections that dbt is given one after the other.

    A model that fails is tried again when it is time, with what depends on it; the others go on without it.
    """

    def __init__(self, selections: Sequence[str], lease: str, step: str) -> None:
        self.lease = lease
        self.step = step
        self.failing: dict[str, NodeFailure] = {}
        self._selections = selections
        self._waiting = list(selections)  # for whatever came while nobody looped
        self._is_due = False

    @property
    def is_in_a_round(self) -> bool:
        """Whether some of them have not run yet since something was new."""
        return bool(self._waiting)

    def need(self) -> None:
        """Something is new: all of them run, once those that run already are through."""
        self._is_due = True

    def chosen(self, steps: Steps) -> tuple[str, ...]:
        """What to run now: the next selection, else the failed models that are due; nothing when all is done."""
        if not steps.is_due(self.step):
            return ()
        if not self._waiting and self._is_due:
            self._waiting, self._is_due = list(self._selections), False
        if self._waiting:
            return (self._waiting[0],)
        due = [failure.key[1] for name, failure in self.failing.items() if steps.is_due(name)]
        return tuple(f"{model}+,{selection}" for model in due for selection in self._selections)

    def done(self, chosen: tuple[str, ...]) -> None:
        """What was chosen has run."""
        if self._waiting[:1] == list(chosen):
            del self._waiting[0]


class LiveLoop:
    """The steps with what they keep between turns. Entering waits for the lease of the single loader."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Before the lease: a successor parses while the run before it still loads.
        self._dbt = Dbt(settings, structure_is_prepared=True)
        self._hot = ModelSet([HOT], HOT_LEASE, HOT_MODELS)
        # One at a time, so that an event that comes meanwhile waits for one of them at most.
        self._console = ModelSet(self._dbt.tagged(CONSOLE), REST_LEASE, CONSOLE_MODELS)
        self._console_round = float("-inf")
        self._mirrored: tuple[str | None, str | None] | None = None
        self._ledger: tuple[str | None, str | None] | None = None
        self._open = ExitStack()

    def __enter__(self) -> "LiveLoop":
        with ExitStack() as opening:
            self._loader = opening.enter_context(EventLoader(self._settings))
            self._engine = opening.enter_context(DeliveryEngine(self._settings))
            self._watermarks = opening.enter_context(closing(WatermarkReader(self._settings)))
            record = opening.enter_context(closing(StepRecord(self._settings.postgres_loader_url.get_secret_value())))
            self._steps = Steps(record, {model_step(key) for key in self._dbt.models()})
            self._blame = Blame(self._settings)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def turn(self) -> Turn:
        """Do what there is to do, or wait `WAIT_SECONDS` for an event. Raises `LeaseLost`; other errors are steps'."""
        turn = Turn()
        if not self._steps.run(LOAD, lambda: self._load(turn)):
            time.sleep(WAIT_SECONDS / 4)  # a queue that does not answer must not make the turns spin
        started = time.monotonic()
        marks = self._read_watermarks()
        if marks is not None and (marks.configuration, marks.failures) != self._mirrored:
            self._steps.run(CONFIGURATION, lambda: self._mirror_configuration(turn, marks))
        self._run_models(self._hot, self._hot.chosen(self._steps), turn)
        if turn.models or (marks is not None and marks.is_delivery_due):
            self._steps.run(DELIVER, lambda: self._deliver(turn))
        self._steps.run(LEDGER, lambda: self._mirror_ledger(turn))
        if not turn.load.messages:
            self._run_models(self._console, self._console_choice(), turn)
        self._steps.beat()
        if self._steps.pop_change():
            turn.failing = self._steps.failing()
        turn.seconds = time.monotonic() - started
        return turn

    def _load(self, turn: Turn) -> None:
        has_work = self._hot.chosen(self._steps) or self._console_choice()
        turn.load = self._loader.load_once(0.0 if has_work else WAIT_SECONDS)
        if turn.load.events:
            self._hot.need()

    def _read_watermarks(self) -> Watermarks | None:
        found: list[Watermarks] = []
        self._steps.run(WATERMARKS, lambda: found.append(self._watermarks.read()))
        return found[0] if found else None

    def _mirror_configuration(self, turn: Turn, marks: Watermarks) -> None:
        turn.mirrored |= _changed(mirror_configuration(self._settings))
        if self._mirrored is None or self._mirrored[0] != marks.configuration:
            self._hot.need()
        self._mirrored = (marks.configuration, marks.failures)

    def _deliver(self, turn: Turn) -> None:
        turn.deliveries = self._engine.run_once()

    def _console_choice(self) -> tuple[str, ...]:
        """The console's models rest between two rounds; within one they follow each other."""
        if not self._console.is_in_a_round and time.monotonic() - self._console_round < CONSOLE_SECONDS:
            return ()
        return self._console.chosen(self._steps)

    def _mirror_ledger(self, turn: Turn) -> None:
        """The models over the ledger are views, so that its rows are all the console needs."""
        ledger = self._watermarks.read().ledger
        if ledger == self._ledger:
            return
        mirrored = _changed(mirror_ledger(self._settings))
        turn.mirrored |= mirrored
        if max(mirrored.values(), default=0) < MAX_ROWS:
            self._ledger = ledger

    def _run_models(self, models: ModelSet, chosen: tuple[str, ...], turn: Turn) -> None:
        if chosen:
            self._steps.run(models.step, lambda: self._build(models, chosen, turn))

    def _build(self, models: ModelSet, chosen: tuple[str, ...], turn: Turn) -> None:
        with Lease(self._settings.postgres_loader_url.get_secret_value(), models.lease):
            built = self._dbt.attempt("run", *chosen)
        turn.models += built.done
        models.done(chosen)
        if models is self._console:
            self._console_round = time.monotonic()
        elif built.done:
            self._console.need()
        for run in built.done:
            models.failing.pop(model_step(run.key), None)
            self._steps.succeeded(model_step(run.key))
        for failure in built.failed:
            name = model_step(failure.key)
            is_new = name not in models.failing or models.failing[name].message != failure.message
            models.failing[name] = failure
            self._steps.failed(name, failure.message)
            if is_new:
                self._blame.look_for(name, failure)


class Blame:
    """Looks for the event that makes a model fail, beside the turns: it takes seconds, and they must go on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread: threading.Thread | None = None

    def look_for(self, step: str, failure: NodeFailure) -> None:
        """Begin to search, unless an earlier search still runs: then the first trouble is found out first."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._search, args=(step, failure), name="culprit", daemon=True)
            self._thread.start()

    def _search(self, step: str, failure: NodeFailure) -> None:
        try:
            culprit = find_culprit(self._settings, failure)
            if culprit is not None:
                log.warning("%s fails because of %s", step, culprit)
                with closing(StepRecord(self._settings.postgres_loader_url.get_secret_value())) as record:
                    record.blame(step, culprit.tenant_id, culprit.event_id)
        except Exception:  # the step's failure is told already; that its event was not found is all there is to add
            log.exception("the event that makes %s fail was not found", step)


def model_step(key: Iterable[str]) -> str:
    """The name of a model's step."""
    return MODEL_STEP + ".".join(key)


def run_loop(settings: Settings, is_over: Callable[[], bool], report: Callable[[Turn], None]) -> None:
    """Turn until `is_over()`, telling each turn to `report`. Raises `LeaseLost`: another may be at work."""
    with LiveLoop(settings) as loop:
        while not is_over():
            report(loop.turn())


def _changed(rows: dict[str, int]) -> dict[str, int]:
    return {table: count for table, count in rows.items() if count}
