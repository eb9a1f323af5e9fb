"""The lanes of an engine: opened when they have work, started, left to rest, and closed."""

import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, select, text

from echolead.operational.database import system_session
from echolead.operational.models import Destination as DestinationRow
from echolead.security import Undecryptable, Vault
from echolead.settings import Settings
from reverse_etl.connecting import connected
from reverse_etl.errors import Misconfigured
from reverse_etl.lane import Lane, Policy
from reverse_etl.ledger import LaneLedger

log = logging.getLogger(__name__)

CLOSING_SECONDS = 15.0
RETRY_OPENING_SECONDS = 30.0

# The destinations with due work, and of `busy` those that are still to be served. The index of what waits is walked
# from lane to lane: it reads one row of each lane that has something waiting, whatever waits behind it, and nothing of
# idle ones.
DUE = text("""
    with recursive waiting as (
        (
            select tenant_id, destination_id, next_attempt_at from deliveries
            where state in ('pending', 'in_flight', 'delivered', 'retry') and next_attempt_at is not null
            order by tenant_id, destination_id, next_attempt_at limit 1
        )
        union all
        select following.* from waiting cross join lateral (
            select tenant_id, destination_id, next_attempt_at from deliveries
            where state in ('pending', 'in_flight', 'delivered', 'retry') and next_attempt_at is not null
                and (tenant_id, destination_id) > (waiting.tenant_id, waiting.destination_id)
            order by tenant_id, destination_id, next_attempt_at limit 1
        ) as following
    )
    select destinations.* from destinations
    join tenants on tenants.tenant_id = destinations.tenant_id and tenants.is_active
    where destinations.is_enabled and destinations.destination_id in (
        select destination_id from waiting where next_attempt_at <= statement_timestamp()
        union select unnest(cast(:busy as uuid[]))
    )
""")

Run = Callable[["Coroutine[Any, Any, Any]"], "Future[Any]"]
LaneKey = tuple[str, UUID]


@dataclass
class StartedLane:
    """A lane and its work under way; `version` changes with the destination's configuration."""

    lane: Lane
    version: datetime
    work: "Future[None] | None" = None
    idle_since: float = field(default_factory=monotonic)

    @property
    def is_busy(self) -> bool:
        """Whether it is still at work from an earlier turn."""
        return self.work is not None and not self.work.done()


class Lanes:
    """The lanes of one engine. An idle lane costs a turn nothing: it is looked at when it has work, or is awake.

    `run` lets a coroutine run on the lanes' event loop.
    """

    def __init__(self, settings: Settings, policy: Policy, database: Engine, run: Run) -> None:
        self._settings = settings
        self._policy = policy
        self._database = database
        self._run = run
        self._vault = Vault.of_destinations(settings)
        self._lanes: dict[LaneKey, StartedLane] = {}
        self._awake: set[LaneKey] = set()
        self._unopened: dict[LaneKey, tuple[datetime, float]] = {}
        self._counts: Counter[str] = Counter()

    def start_due(self, database: Engine) -> None:
        """Start every lane with due work that is not at work yet; stop those of destinations that are served no more.

        `database` is connected across tenants. Reads it once, whatever lanes there are.
        """
        busy = [key for key in self._awake if self._lanes[key].is_busy]
        asked = {"busy": [destination_id for _, destination_id in busy]}
        with system_session(database) as session:
            rows = session.scalars(select(DestinationRow).from_statement(DUE), asked).all()
        due = {(row.tenant_id, row.destination_id): row for row in rows}
        for key in busy:
            if key not in due or due[key].updated_at != self._lanes[key].version:
                self._lanes[key].lane.stop()
        for key, row in due.items():
            running = self._lanes.get(key) or self._open(row)
            if running is not None and not running.is_busy and self._is_outdated(running, row):
                self._retire(key)
                running = self._open(row)
            if running is not None and not running.is_busy:
                running.work = self._run(running.lane.drain())
                self._awake.add(key)

    def under_way(self) -> "list[Future[None]]":
        """The work of every lane that is awake."""
        return [work for key in self._awake if (work := self._lanes[key].work) is not None]

    def settle(self) -> None:
        """Look after the lanes that are awake: those that ended their work rest after a while.

        Raises the error of a lane whose ledger did not answer; the next turn starts it anew.
        """
        for key in list(self._awake):
            running = self._lanes[key]
            self._count(running)
            if running.is_busy:
                continue
            if running.work is not None:
                work, running.work, running.idle_since = running.work, None, monotonic()
                work.result()
            if monotonic() - running.idle_since >= self._policy.idle_seconds:
                self._run(running.lane.rest()).result(CLOSING_SECONDS)
                self._awake.discard(key)

    def pop_counts(self) -> Counter[str]:
        """Outcomes of attempts since the last call."""
        counts, self._counts = self._counts, Counter()
        return counts

    def stop(self) -> None:
        """Take no new delivery in any lane."""
        for key in self._awake:
            self._lanes[key].lane.stop()

    def close(self) -> None:
        """Close the connections of all lanes."""
        for running in self._lanes.values():
            self._run(running.lane.close()).result(CLOSING_SECONDS)

    @staticmethod
    def _is_outdated(running: StartedLane, row: DestinationRow) -> bool:
        return running.version != row.updated_at or running.lane.is_stopping

    def _count(self, running: StartedLane) -> None:
        self._counts.update(self._run(running.lane.pop_counts()).result(CLOSING_SECONDS))

    def _retire(self, key: LaneKey) -> None:
        self._awake.discard(key)
        running = self._lanes.pop(key)
        self._count(running)
        self._run(running.lane.close()).result(CLOSING_SECONDS)

    def _open(self, row: DestinationRow) -> StartedLane | None:
        """Make the lane of a destination, or write on its deliveries why there is none."""
        key = (row.tenant_id, row.destination_id)
        version, until = self._unopened.get(key, (None, 0.0))
        if version == row.updated_at and monotonic() < until:
            return None
        ledger = LaneLedger(self._database, row.tenant_id, row.destination_id)
        try:
            lane = self._run(self._make(row, ledger)).result(CLOSING_SECONDS)
        except (Misconfigured, Undecryptable) as error:
            log.warning("No lane for %s of %s: %s", row.name, row.tenant_id, error)
            ledger.note(error)
            self._unopened[key] = (row.updated_at, monotonic() + RETRY_OPENING_SECONDS)
            return None
        self._unopened.pop(key, None)
        self._lanes[key] = StartedLane(lane, row.updated_at)
        return self._lanes[key]

    async def _make(self, row: DestinationRow, ledger: LaneLedger) -> Lane:
        found = connected(row, self._settings, self._vault, self._policy, self._database)
        name = f"{row.name} of {row.tenant_id}"
        concurrency, connect = found.concurrency, found.connect
        return Lane(name, found.destination, found.connection, ledger, self._policy, concurrency, connect)
