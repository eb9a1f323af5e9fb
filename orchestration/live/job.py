"""The job of the live path: a run that loops until its time is over and a successor is there."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait

import dagster as dg

from orchestration.live.checks import evaluation
from orchestration.resources import EchoLead

JOB_NAME = "live"
REPORT_SECONDS = 5.0
"""While turns follow each other, their materialisations are logged together this often."""
SUCCESSOR_CHECK_SECONDS = 5.0

ReportedEvent = dg.AssetMaterialization | dg.AssetCheckEvaluation

log = logging.getLogger(__name__)


def heartbeat_name(run_id: str) -> str:
    """The lease a live run holds while its process lives."""
    return f"live-run-{run_id}"


class Term:
    """How long a live run goes on: its time, and then until a successor has started, but at most twice its time.

    Without this a daemon that is down would stop the loading. It also ends when raw is to be put in place anew.
    """

    def __init__(
        self, seconds: float, has_successor: Callable[[], bool], is_to_pause: Callable[[], bool] = lambda: False
    ) -> None:
        self._started = time.monotonic()
        self._seconds = seconds
        self._has_successor = has_successor
        self._is_to_pause = is_to_pause
        self._asked = self._started

    def is_over(self) -> bool:
        """Whether to end now."""
        now = time.monotonic()
        if now >= self._started + 2 * self._seconds:
            return True
        if now - self._asked < SUCCESSOR_CHECK_SECONDS:
            return False
        self._asked = now
        return self._is_to_pause() or (now >= self._started + self._seconds and self._has_successor())


class Reporter:
    """Collects what turns did and logs it as materialisations: at once before a pause, else every few seconds.

    Each event costs Dagster a connection and several statements, so they are written in `background`: turns go on. What
    comes meanwhile is collected for the next time.
    """

    def __init__(self, log_event: Callable[[ReportedEvent], None], background: Executor) -> None:
        self._log_event = log_event
        self._background = background
        self._rows: Counter[tuple[str, ...]] = Counter()
        self._seconds: Counter[tuple[str, ...]] = Counter()
        self._evaluations: list[dg.AssetCheckEvaluation] = []
        self._logged = time.monotonic()
        self._writing: Future[None] | None = None

    def turn(self, turn: "Turn") -> None:  # type: ignore[name-defined]  # noqa: F821  # imported by the run only
        """Take one turn in."""
        load = turn.load
        loaded = {"events": load.events, "rejected_events": load.rejected}
        webhooks = {"chatwoot_events": load.chatwoot_events, "crm_events": load.crm_events}
        for table, rows in {**loaded, **webhooks}.items():
            if rows:
                self._rows[("raw", table)] += rows
        for table, rows in turn.mirrored.items():
            self._rows[("raw", table)] += rows
        for model in turn.models:
            self._seconds[model.key] += model.seconds
        if turn.deliveries is not None and any(vars(turn.deliveries).values()):
            self._rows[("operational", "deliveries")] += turn.deliveries.delivered
        if turn.failing is not None:
            self._evaluations.append(evaluation(turn.failing))
        if not turn or self._evaluations or time.monotonic() - self._logged > REPORT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Log what has been collected, unless what was collected before is still being written."""
        if self._writing is not None and not self._writing.done():
            return
        events: list[ReportedEvent] = [*self._evaluations]
        for key, rows in self._rows.items():
            events.append(dg.AssetMaterialization(list(key), metadata={"dagster/partition_row_count": rows}))
        for key, seconds in self._seconds.items():
            events.append(dg.AssetMaterialization(list(key), metadata={"seconds": round(seconds, 3)}))
        self._rows.clear()
        self._seconds.clear()
        self._evaluations.clear()
        self._logged = time.monotonic()
        if events:
            self._writing = self._background.submit(self._write, events)

    def close(self) -> None:
        """Log all that has been collected, after what is still being written."""
        if self._writing is not None:
            wait([self._writing])
        self.flush()

    def _write(self, events: list[ReportedEvent]) -> None:
        try:
            for event in events:
                self._log_event(event)
        except Exception as error:  # no turn depends on what Dagster shows of others
            log.warning("what turns did cannot be shown in Dagster: %s: %s", type(error).__name__, error)


@dg.op(description="Loads, transforms and delivers in a loop, so that a lead is in Chatwoot seconds after its form.")
def live_loop(context: dg.OpExecutionContext, echolead: EchoLead) -> None:
    """Loop until the run's time is over."""
    # The code server, which only describes this job, does not need what it runs with.
    from dlt_pipelines.lease import Lease, is_held  # noqa: PLC0415
    from orchestration.live.control_worker import ControlWorker  # noqa: PLC0415
    from orchestration.live.loop import PAUSE_LEASE, run_loop  # noqa: PLC0415

    settings = echolead.settings()
    url = settings.postgres_loader_url.get_secret_value()
    term = Term(
        settings.live_run_seconds,
        lambda: has_successor(context.instance, context.run_id),
        lambda: is_held(url, PAUSE_LEASE),
    )
    with Lease(url, heartbeat_name(context.run_id)), ThreadPoolExecutor(1, "reporter") as background:
        reporter = Reporter(context.log_event, background)  # type: ignore[arg-type]  # it takes evaluations as well
        try:
            with Lease(url, PAUSE_LEASE):
                pass  # until raw is in place
            with ControlWorker(settings):
                run_loop(settings, term.is_over, reporter.turn)
        except dg.DagsterExecutionInterruptedError:
            run = context.instance.get_run_by_id(context.run_id)
            if run is not None and run.status == dg.DagsterRunStatus.CANCELING:
                raise
            context.log.info("The stack stops: what is not done yet is the next run's.")
        finally:
            reporter.close()


def has_successor(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether another live run has started."""
    started = dg.RunsFilter(job_name=JOB_NAME, statuses=[dg.DagsterRunStatus.STARTED])
    return any(run.run_id != run_id for run in instance.get_runs(started))


@dg.job(name=JOB_NAME, executor_def=dg.in_process_executor, description=live_loop.__doc__)
def live_job() -> None:
    """One run of the live path."""
    live_loop()
