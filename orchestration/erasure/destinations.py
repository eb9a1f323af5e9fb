"""Erasures that wait for destinations: what has come of their deliveries is noted, and the delivery deleted."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from echolead.operational.erasures import ErasureRecord, WaitingErasure
from orchestration.erasure.withdrawing import WithdrawalState, taken_back

LONGEST_WAIT = timedelta(days=30)
"""After so long the ids that are kept for a destination are deleted, whatever became of them there."""

# All that are open, whatever the tenant: the index has no other delivery.
OPEN = """
select
    deliveries.delivery_id, deliveries.erasure_id, deliveries.tenant_id, deliveries.destination_id,
    destinations.name as destination, destinations.kind, destinations.is_enabled, deliveries.state,
    coalesce(deliveries.last_error, '') as last_error, deliveries.created_at as planned_at,
    coalesce(deliveries.lease_until > clock_timestamp(), false) as is_held,
    array(select jsonb_array_elements_text(coalesce(payload #> '{erased,records,contact}', '[]'))) as contacts
from deliveries join destinations using (tenant_id, destination_id)
where deliveries.erasure_id is not null
"""
# Another lead may have the same record, such as a new one of the same person: its state is delivered once more.
# Reads the records of the lane.
DELIVER_AGAIN = """
update deliveries as mine set
    state = 'pending', attempts = 0, tries = 0, next_attempt_at = clock_timestamp(), lease_until = null,
    delivered_at = null, verified_at = null, last_error_class = null, last_error = null
where mine.tenant_id = %(tenant_id)s and mine.destination_id = %(destination_id)s
    and mine.is_wanted and mine.erasure_id is null and mine.state in ('delivered', 'verified')
    and mine.lead_id in (
        select lead_id from destination_records
        where tenant_id = %(tenant_id)s and destination_id = %(destination_id)s and remote_kind = 'contact'
            and remote_id = any(%(contacts)s) and lead_id not like 'conversation:%%'
    )
    and not exists (
        select from deliveries as newer
        where newer.tenant_id = mine.tenant_id and newer.destination_id = mine.destination_id
            and newer.lead_id = mine.lead_id and newer.created_at > mine.created_at
    )
"""
# Not while an engine holds it, as that notes what became of it.
LOCK = """
select from deliveries
where delivery_id = %(delivery_id)s and (lease_until is null or lease_until < clock_timestamp()) for update
"""
FORGET = (
    "delete from delivery_attempts where delivery_id = %(delivery_id)s",
    "delete from deliveries where delivery_id = %(delivery_id)s",
)


@dataclass(frozen=True)
class OpenWithdrawal:
    """A delivery that takes what was sent of an erased person off a destination; `contacts` are ids there."""

    delivery_id: UUID
    erasure_id: UUID
    tenant_id: str
    destination_id: UUID
    destination: str
    kind: str
    is_enabled: bool
    state: str
    last_error: str
    planned_at: datetime
    is_held: bool
    contacts: Sequence[str]


class WaitingDestinations:
    """Looks after erasures that wait for destinations; `url` is PostgreSQL as the delivery engine's role."""

    def __init__(self, url: str, record: ErasureRecord) -> None:
        self._url = url
        self._record = record

    def look_after(self) -> bool:
        """Note what has come of each; whether one is open. Raises `psycopg.Error`.

        It is noted before the delivery is deleted, so that an end in between is made up for by the next look.
        """
        waiting = self._record.waiting()
        if not waiting:
            return False
        with psycopg.connect(
            self._url, autocommit=True, connect_timeout=5, application_name="echolead erasure",
            options="-c statement_timeout=60000",
        ) as connection:  # fmt: skip
            with connection.cursor(row_factory=class_row(OpenWithdrawal)) as cursor:
                of_erasures = defaultdict(list)
                for found in cursor.execute(OPEN):
                    of_erasures[found.erasure_id].append(found)
            for erasure in waiting:
                self._settle(connection, erasure, of_erasures[erasure.erasure_id])
        return True

    def _settle(
        self, connection: psycopg.Connection, erasure: WaitingErasure, deliveries: Sequence[OpenWithdrawal]
    ) -> None:
        before = [WithdrawalState.of(each) for each in erasure.withdrawals]
        after = states_after(before, deliveries, erasure.given_up, datetime.now(UTC))
        if after != before:
            message = waiting_for(after)
            self._record.withdrawn(erasure.erasure_id, [each.as_json() for each in after], message)
        ended = {each.destination for each in after if each.state != "waiting"}
        gone = [_forget(connection, each) for each in deliveries if each.destination in ended]
        if len(ended) == len(after) and all(gone):
            self._record.done(erasure.erasure_id)


def states_after(
    before: Iterable[WithdrawalState],
    deliveries: Iterable[OpenWithdrawal],
    given_up: Mapping[str, Mapping[str, str]],
    now: datetime,
) -> list[WithdrawalState]:
    """What becomes of each destination by what the ledger says now. What has ended stays so."""
    of_destination = {each.destination: each for each in deliveries}
    return [
        _after(each, of_destination.get(each.destination), given_up.get(each.destination), now)
        if each.state == "waiting"
        else each
        for each in before
    ]


def waiting_for(states: Iterable[WithdrawalState]) -> str:
    """The sentence that an erasure has while it waits; '' when it does not."""
    waiting = [each for each in states if each.state == "waiting"]
    named = "; ".join(f"{each.destination}{f' ({each.message})' if each.message else ''}" for each in waiting)
    return f"Waiting for {named}" if waiting else ""


def _after(
    state: WithdrawalState,
    delivery: OpenWithdrawal | None,
    given_up: Mapping[str, str] | None,
    now: datetime,
) -> WithdrawalState:
    ended, message = "waiting", ""
    if delivery is None:
        ended, message = "given up", "Its delivery is gone from the ledger."
    elif delivery.state == "verified":
        ended = taken_back(delivery.kind)
    elif delivery.state == "withheld":
        ended, message = "impossible", delivery.last_error
    elif given_up and not delivery.is_held:
        ended, message = "given up", f"{given_up['reason']} ({given_up['by']})"
    elif now - delivery.planned_at > LONGEST_WAIT and not delivery.is_held:
        ended, message = "given up", f"Not done within {LONGEST_WAIT.days} days: {_why(delivery)}"
    else:
        message = _why(delivery)
    at = "" if ended == "waiting" else now.isoformat(timespec="seconds")
    return replace(state, state=ended, message=message, at=at)


def _why(delivery: OpenWithdrawal) -> str:
    if not delivery.is_enabled:
        return "It is switched off."
    if delivery.state == "dead":
        return f"Refused, and not tried again by itself: {delivery.last_error}"
    return delivery.last_error


def _forget(connection: psycopg.Connection, delivery: OpenWithdrawal) -> bool:
    """Delete the delivery; False when an engine has just taken it."""
    with connection.transaction():
        if connection.execute(LOCK, {"delivery_id": delivery.delivery_id}).fetchone() is None:
            return False
        for statement in FORGET:
            connection.execute(statement, {"delivery_id": delivery.delivery_id})
        place = {"tenant_id": delivery.tenant_id, "destination_id": delivery.destination_id}
        connection.execute(DELIVER_AGAIN, {**place, "contacts": list(delivery.contacts)})
    return True
