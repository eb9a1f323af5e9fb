"""The delivery engine: takes the wanted state over into the ledger and lets each lane deliver what is due."""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import UUID

import httpx
import sqlalchemy
from sqlalchemy import select

from echolead.operational.database import connect, system_session
from echolead.operational.models import Destination as DestinationRow
from echolead.operational.models import Tenant
from echolead.outbound import GuardedTransport, opened_places
from echolead.security import Undecryptable, Vault
from echolead.settings import Settings
from reverse_etl.calls import LaneConnection
from reverse_etl.desired import DesiredState
from reverse_etl.destinations import KINDS
from reverse_etl.errors import Misconfigured
from reverse_etl.kept_tokens import KeptTokens
from reverse_etl.lane import Lane, Policy
from reverse_etl.ledger import LaneLedger
from reverse_etl.pace import Breaker, Pace
from reverse_etl.planning import Plan, plan_again
from reverse_etl.tokens import OAuth

log = logging.getLogger(__name__)

CLOSING_SECONDS = 15.0


@dataclass(frozen=True)
class Deliveries:
    """What happened since the turn before: states taken over, and outcomes of attempts."""

    planned: int = 0
    delivered: int = 0
    verified: int = 0
    retried: int = 0
    dead: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened."""
        return not any(getattr(self, field.name) for field in fields(self))


@dataclass
class StartedLane:
    """A lane and its work under way; `version` changes with the destination's configuration."""

    lane: Lane
    version: datetime
    work: "Future[None] | None" = None

    @property
    def is_busy(self) -> bool:
        """Whether it is still at work from an earlier turn."""
        return self.work is not None and not self.work.done()


class DeliveryEngine:
    """Delivers leads to their destinations; use as a context manager and call `run_once` again and again.

    Several may run at once, in one process or many: a delivery has one holder, and a holder that dies is taken over
    when its lease ends. Lanes live on an event loop in a thread of their own, so a turn never waits for a slow one.
    """

    def __init__(self, settings: Settings, policy: Policy | None = None) -> None:
        self._settings = settings
        self._policy = policy or Policy()
        self._vault = Vault.of_destinations(settings)
        self._system = connect(settings.postgres_deliveries_url.get_secret_value(), application_name="echolead engine")
        self._tenants = connect(
            settings.postgres_deliveries_url.get_secret_value(), pool_size=10, application_name="echolead engine lanes"
        )
        self._desired = DesiredState(settings.clickhouse("deliveries"))
        self._lanes: dict[tuple[str, UUID], StartedLane] = {}
        self._loop = asyncio.new_event_loop()
        # Looking up a dead destination's name holds a thread for seconds; the other lanes need theirs.
        self._loop.set_default_executor(ThreadPoolExecutor(32, thread_name_prefix="deliveries"))
        self._thread = threading.Thread(target=self._loop.run_forever, name="deliveries", daemon=True)
        self._counts: Counter[str] = Counter()
        self._is_behind = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let what is under way come to its end, for 15 s at most; what does not is taken over after its lease."""
        for running in self._lanes.values():
            running.lane.stop()
        under_way = [running.work for running in self._lanes.values() if running.work is not None]
        _, late = wait(under_way, timeout=CLOSING_SECONDS)
        for work in late:
            work.cancel()
        for running in self._lanes.values():
            self._run(running.lane.close()).result(CLOSING_SECONDS)
        self._run(self._loop.shutdown_default_executor()).result(CLOSING_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSING_SECONDS)
        self._loop.close()
        self._desired.close()
        self._system.dispose()
        self._tenants.dispose()

    @property
    def is_behind(self) -> bool:
        """Whether changes of the wanted state may wait to be planned, so that `run_once` has work at once."""
        return self._is_behind

    def run_once(self) -> Deliveries:
        """One turn: plan what is new, start every lane that is idle, plan a chunk of what is older, wait a moment.

        When the warehouse does not answer, what was planned before is delivered all the same, and its error is raised
        at the end.
        """
        try:
            if self._plan() and self._is_behind:
                self._start_lanes()  # what is new is delivered while a chunk of the rest is planned
                self._plan()
        finally:
            self._start_lanes()
            busy = [running.work for running in self._lanes.values() if running.work is not None]
            wait(busy, timeout=self._policy.patience_seconds)
            self._raise_what_broke()
        return self._outcome()

    # Planning

    def _plan(self) -> bool:
        """Plan the newest chunk of what is not planned; returns whether it was of turns that nobody had seen before.

        Without news this reads which turn is the newest, and nothing else.
        """
        with system_session(self._system) as session:
            # The lock is held before the warehouse is read, so that an older reading never replaces a newer one.
            plan = Plan(session)
            known = plan.position()
            position = known.seen(self._desired.newest_turn(known.planned_turn))
            planned = 0
            if position.unplanned:
                chunk = self._desired.chunk(position.unplanned[-1], self._policy.planned_rows)
                if chunk is None:
                    return False
                planned = plan.take_over(chunk.changes)
                position = position.planned(chunk.rest)
                plan.move(position)
        self._counts["planned"] += planned
        self._is_behind = bool(position.unplanned)
        return position.planned_turn > known.planned_turn

    # Lanes

    def _start_lanes(self) -> None:
        rows = self._enabled_destinations()
        enabled = {(row.tenant_id, row.destination_id): row for row in rows}
        for key in [key for key, running in self._lanes.items() if self._is_outdated(key, running, enabled)]:
            running = self._lanes[key]
            running.lane.stop()
            if not running.is_busy:
                self._retire(key)
        for key, row in enabled.items():
            if key not in self._lanes:
                self._open_lane(row)
        for running in self._lanes.values():
            if not running.is_busy:
                running.work = self._run(running.lane.drain())

    def _enabled_destinations(self) -> list[DestinationRow]:
        with system_session(self._system) as session:
            of_active_tenants = select(DestinationRow).join(Tenant, Tenant.tenant_id == DestinationRow.tenant_id)
            return list(session.scalars(of_active_tenants.where(DestinationRow.is_enabled, Tenant.is_active)))

    @staticmethod
    def _is_outdated(
        key: tuple[str, UUID], running: StartedLane, enabled: dict[tuple[str, UUID], DestinationRow]
    ) -> bool:
        row = enabled.get(key)
        return row is None or row.updated_at != running.version

    def _retire(self, key: tuple[str, UUID]) -> None:
        lane = self._lanes.pop(key).lane
        self._counts.update(self._run(lane.pop_counts()).result(CLOSING_SECONDS))
        self._run(lane.close()).result(CLOSING_SECONDS)

    def _open_lane(self, row: DestinationRow) -> None:
        """Make the lane of a destination, or write on its deliveries why there is none."""
        ledger = LaneLedger(self._tenants, row.tenant_id, row.destination_id)
        try:
            lane = self._run(self._make_lane(row, ledger)).result(CLOSING_SECONDS)
        except (Misconfigured, Undecryptable) as error:
            log.warning("No lane for %s of %s: %s", row.name, row.tenant_id, error)
            ledger.note(error)
            return
        self._lanes[row.tenant_id, row.destination_id] = StartedLane(lane, row.updated_at)

    async def _make_lane(self, row: DestinationRow, ledger: LaneLedger) -> Lane:
        make = KINDS.get(row.kind)
        if make is None:
            raise Misconfigured(f"{row.kind!r} is not a kind of destination: {', '.join(sorted(KINDS))}.")
        secrets = self._vault.decrypt(row.secrets)
        destination = make(row.configuration, secrets, partial(self._lead_url, row.tenant_id))
        policy, traits = self._policy, destination.traits
        rate = _number(
            row.configuration, "requests_per_second", policy.requests_per_second or traits.requests_per_second
        )
        concurrency = int(_number(row.configuration, "concurrency", traits.concurrency))
        connections = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=2 * concurrency))
        transport = GuardedTransport(
            allow_private=self._settings.allow_private_destinations,
            private_places=opened_places(self._settings),
            inner=connections,
        )
        client = destination.client(transport)
        if isinstance(client.auth, OAuth):
            client.auth.store = KeptTokens(self._tenants, self._vault, row.tenant_id, row.destination_id)
        connection = LaneConnection(
            client=client,
            pace=Pace(rate, burst=max(1, int(rate))),
            breaker=Breaker(
                threshold=policy.breaker_threshold,
                cooldown_seconds=policy.breaker_seconds,
                longest_seconds=policy.breaker_longest_seconds,
            ),
            secrets=tuple(secrets.values()),
            judge=destination.judge,
            allowance=destination.allowance,
        )
        return Lane(f"{row.name} of {row.tenant_id}", destination, connection, ledger, policy, concurrency)

    def _lead_url(self, tenant_id: str, lead_id: str) -> str:
        base = self._settings.console_url.rstrip("/")
        return f"{base}/leads?tenant_id={quote(tenant_id, safe='')}&lead_id={quote(lead_id, safe='')}"

    def _outcome(self) -> Deliveries:
        for running in self._lanes.values():
            self._counts.update(self._run(running.lane.pop_counts()).result(CLOSING_SECONDS))
        counts, self._counts = self._counts, Counter()
        return Deliveries(**{field.name: counts[field.name] for field in fields(Deliveries)})

    def _raise_what_broke(self) -> None:
        """A lane ends in an error when its ledger does not answer; the turn says so, the next turn starts it anew."""
        for running in self._lanes.values():
            if running.work is not None and running.work.done():
                work, running.work = running.work, None
                work.result()

    def _run(self, work: "Coroutine[Any, Any, Any]") -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)


def resync(
    settings: Settings,
    tenant_id: str,
    *,
    destination_id: UUID | None = None,
    lead_ids: list[str] | None = None,
    is_forced: bool = False,
    is_dry_run: bool = False,
) -> dict[str, int]:
    """Deliver again, from outside an engine (command line, API). See `reverse_etl.planning.plan_again`."""
    engine: sqlalchemy.Engine = connect(settings.postgres_app_url.get_secret_value())
    try:
        return plan_again(
            engine,
            tenant_id,
            destination_id=destination_id,
            lead_ids=lead_ids,
            is_forced=is_forced,
            is_dry_run=is_dry_run,
        )
    finally:
        engine.dispose()


def _number(configuration: dict[str, Any], key: str, default: float) -> float:
    try:
        number = float(configuration.get(key, default))
    except (TypeError, ValueError) as error:
        raise Misconfigured(f"{key} is a number, not {configuration[key]!r}.") from error
    if not 0.1 <= number <= 1000:
        raise Misconfigured(f"{key} is between 0.1 and 1000, not {number}.")
    return number
