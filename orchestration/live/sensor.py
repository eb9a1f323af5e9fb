"""The sensor that keeps one live run alive: starts the next before the end, and another when one has died."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from dlt_pipelines.lease import is_held
from echolead.settings import Settings
from orchestration.live.job import JOB_NAME, heartbeat_name, live_job
from orchestration.resources import EchoLead

INTERVAL_SECONDS = 5
HAND_OVER_SECONDS = 45.0
"""A run needs this long, at worst, from its request to its first turn."""
START_SECONDS = 20.0
"""From STARTED to holding the heartbeat; LAUNCH_SECONDS from the request to STARTED."""
LAUNCH_SECONDS = 90.0
MAX_PAUSE_SECONDS = 60.0

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class LiveRun:
    """A live run as the sensor sees it. Times are seconds since 1970."""

    run_id: str
    status: dg.DagsterRunStatus
    created_at: float
    started_at: float | None
    ended_at: float | None
    has_heartbeat: bool

    def is_dead(self, now: float) -> bool:
        """Whether it says it runs and no process holds its heartbeat."""
        if self.status not in UNFINISHED or self.has_heartbeat:
            return False
        if self.started_at is None:
            return now - self.created_at > LAUNCH_SECONDS
        return now - self.started_at > START_SECONDS

    def ends_soon(self, now: float, live_run_seconds: float) -> bool:
        """Whether its successor must start now. A short time is handed over in its last quarter."""
        lead = min(HAND_OVER_SECONDS, live_run_seconds / 4)
        return self.started_at is not None and now >= self.started_at + live_run_seconds - lead


@dataclass(frozen=True)
class Decision:
    """What to do now: runs to declare dead, and whether to start one; `reason` is for the tick's page."""

    dead: tuple[str, ...]
    starts_one: bool
    reason: str


def decide(runs: Sequence[LiveRun], now: float, live_run_seconds: float) -> Decision:
    """Exactly one run that is not about to end; after failures a pause that doubles up to `MAX_PAUSE_SECONDS`.

    `runs` are the newest first.
    """
    dead = tuple(run.run_id for run in runs if run.is_dead(now))
    alive = [run for run in runs if run.status in UNFINISHED and run.run_id not in dead]
    if any(not run.ends_soon(now, live_run_seconds) for run in alive):
        return Decision(dead, False, "a live run is at work")
    if alive:
        return Decision(dead, True, "the live run ends soon")
    pause = _pause(runs)
    failed_at = max((run.ended_at or 0.0 for run in runs), default=0.0)
    if now < failed_at + pause:
        return Decision(dead, False, f"live runs fail: the next starts {pause:.0f} s after the last")
    return Decision(dead, True, "no live run")


def _pause(runs: Sequence[LiveRun]) -> float:
    """0 after one failure (a killed process is replaced at once), then 5, 10, 20 … seconds for short-lived ones."""
    failures = 0
    for run in runs:
        lived = (run.ended_at or 0.0) - (run.started_at or run.created_at)
        if run.status != dg.DagsterRunStatus.FAILURE or lived > MAX_PAUSE_SECONDS:
            break
        failures += 1
    return min(5.0 * 2 ** (failures - 2), MAX_PAUSE_SECONDS) if failures > 1 else 0.0


def live_runs(instance: dg.DagsterInstance, settings: Settings) -> list[LiveRun]:
    """The newest live runs, newest first."""
    url = settings.postgres_loader_url.get_secret_value()
    found = []
    for record in instance.get_run_records(dg.RunsFilter(job_name=JOB_NAME), limit=8):
        run = record.dagster_run
        found.append(
            LiveRun(
                run.run_id,
                run.status,
                record.create_timestamp.timestamp(),
                record.start_time,
                record.end_time,
                has_heartbeat=run.status in UNFINISHED and is_held(url, heartbeat_name(run.run_id)),
            )
        )
    return found


@dg.sensor(
    job=live_job,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps one live run alive. Turn it off to stop the live path; a run that is only cancelled comes back.",
)
def keep_live(context: dg.SensorEvaluationContext, echolead: EchoLead) -> dg.RunRequest | dg.SkipReason:
    """Declare dead runs failed and start a run when one is due."""
    settings = echolead.settings()
    decision = decide(live_runs(context.instance, settings), time.time(), settings.live_run_seconds)
    for run_id in decision.dead:
        run = context.instance.get_run_by_id(run_id)
        if run is not None:
            context.instance.report_run_failed(run, "Its process is gone: nobody holds its heartbeat.")
    return dg.RunRequest() if decision.starts_one else dg.SkipReason(decision.reason)
