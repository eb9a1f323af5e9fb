"""The delivery engine: takes the wanted state over into the ledger and lets each lane deliver what is due."""

import asyncio
import threading
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any, Self

from echolead.operational.database import connect, system_session
from echolead.operational.resync_runs import advance_all
from echolead.settings import Settings
from reverse_etl.desired import OF_CONVERSATIONS, OF_LEADS, DesiredState
from reverse_etl.destinations import KINDS
from reverse_etl.lane import Policy
from reverse_etl.lanes import CLOSING_SECONDS, Lanes
from reverse_etl.planning import Plan

TABLES = (OF_LEADS, OF_CONVERSATIONS)


@dataclass(frozen=True)
class Deliveries:
    """What happened since the turn before: states taken over, and outcomes of attempts."""

    planned: int = 0
    delivered: int = 0
    verified: int = 0
    retried: int = 0
    withheld: int = 0
    dead: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened."""
        return not any(getattr(self, field.name) for field in fields(self))


class DeliveryEngine:
    """Delivers leads to their destinations; use as a context manager and call `run_once` again and again.

    Several may run at once, in one process or many: a delivery has one holder, and a holder that dies is taken over
    when its lease ends. Lanes live on an event loop in a thread of their own, so a turn never waits for a slow one.
    """

    def __init__(self, settings: Settings, policy: Policy | None = None) -> None:
        self._policy = policy or Policy()
        url = settings.postgres_deliveries_url.get_secret_value()
        self._system = connect(url, application_name="echolead engine")
        self._tenants = connect(url, pool_size=10, application_name="echolead engine lanes")
        self._desired = [DesiredState(settings.clickhouse("deliveries"), table) for table in TABLES]
        self._loop = asyncio.new_event_loop()
        # Looking up a dead destination's name holds a thread for seconds; the other lanes need theirs.
        self._loop.set_default_executor(ThreadPoolExecutor(32, thread_name_prefix="deliveries"))
        self._thread = threading.Thread(target=self._loop.run_forever, name="deliveries", daemon=True)
        self._lanes = Lanes(settings, self._policy, self._tenants, self._run)
        self._planned = 0
        self._behind = {table.name for table in TABLES}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let what is under way come to its end, for 15 s at most; what does not is taken over after its lease."""
        self._lanes.stop()
        _, late = wait(self._lanes.under_way(), timeout=CLOSING_SECONDS)
        for work in late:
            work.cancel()
        self._lanes.close()
        self._run(self._loop.shutdown_default_executor()).result(CLOSING_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSING_SECONDS)
        self._loop.close()
        for desired in self._desired:
            desired.close()
        self._system.dispose()
        self._tenants.dispose()

    @property
    def is_behind(self) -> bool:
        """Whether changes of the wanted state may wait to be planned, so that `run_once` has work at once."""
        return bool(self._behind)

    @property
    def is_at_work(self) -> bool:
        """Whether a lane is at work, or has ended its work since `run_once` looked after it."""
        return bool(self._lanes.under_way())

    def start(self) -> None:
        """Plan what is new, start every lane with due work, plan a chunk of what is older. Waits for no lane.

        When the warehouse does not answer, what was planned before is delivered all the same, and its error is raised
        at the end.
        """
        try:
            self._resync()
            if self._plan() and self.is_behind:
                self._lanes.start_due(self._system)  # what is new is delivered while a chunk of the rest is planned
                self._plan()
        finally:
            self._lanes.start_due(self._system)

    def run_once(self) -> Deliveries:
        """One turn: `start`, wait a moment for the lanes, and see what they did. Raises as `start` does."""
        try:
            self.start()
        finally:
            wait(self._lanes.under_way(), timeout=self._policy.patience_seconds)
            self._lanes.settle()
        counts = self._lanes.pop_counts() + Counter(planned=self._planned)
        self._planned = 0
        return Deliveries(**{field.name: counts[field.name] for field in fields(Deliveries)})

    def _resync(self) -> None:
        """Make the next deliveries of open resyncs due. Without one this reads that there is none."""
        with system_session(self._system) as session:
            advance_all(session)

    def _plan(self) -> bool:
        """Plan the newest chunk of each table; returns whether one was of turns that no engine had planned before."""
        news = [self._plan_chunk(desired) for desired in self._desired]
        return any(news)

    def _plan_chunk(self, desired: DesiredState) -> bool:
        """Plan the newest chunk of what is not planned; returns whether it was of turns that nobody had seen before.

        Without news this reads which turn is the newest, and nothing else.
        """
        with system_session(self._system) as session:
            # The lock is held before the warehouse is read, so that an older reading never replaces a newer one.
            plan = Plan(session, desired.table, self._windows())
            known = plan.position()
            position = known.seen(desired.newest_turn(known.planned_turn))
            planned = 0
            if position.unplanned:
                chunk = desired.chunk(position.unplanned[-1], self._policy.planned_rows)
                if chunk is None:
                    return False
                planned = plan.take_over(chunk.changes)
                position = position.planned(chunk.rest)
                plan.move(position)
        self._planned += planned
        (self._behind.add if position.unplanned else self._behind.discard)(desired.table.name)
        return position.planned_turn > known.planned_turn

    def _windows(self) -> dict[str, float]:
        """By kind of destination, for how many seconds a change waits for more changes."""
        own = self._policy.coalesce_seconds
        return {kind: product.traits.coalesce_seconds if own is None else own for kind, product in KINDS.items()}

    def _run(self, work: "Coroutine[Any, Any, Any]") -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)
