"""The steps of an erasure, in order. Each may be repeated, and a run that is killed goes on with the step it was at."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from echolead.erasure import conditions
from echolead.erasure.person import ErasedPerson, person_of
from echolead.operational.erasures import ErasureRecord, OpenErasure
from echolead.operational.errors import NotFound
from echolead.operational.models import ERASURE_STEPS
from echolead.processes import answer_of
from echolead.settings import Settings
from orchestration.erasure.destinations import WaitingDestinations, waiting_for
from orchestration.erasure.ledger import DeliveryUnderWay, PersonLedger
from orchestration.erasure.warehouse import PersonRows
from orchestration.erasure.withdrawing import WithdrawalState, first_states

LAKE_SECONDS = 3600.0


class ErasureWaits(Exception):
    """The step cannot be done yet, and is looked at again; the message says what it waits for."""


class ErasureSteps:
    """Does steps of erasures. Raises the errors of clickhouse-connect, psycopg, and `ProcessFailed`."""

    def __init__(self, settings: Settings, record: ErasureRecord) -> None:
        self._settings = settings
        self._record = record
        self._rows = PersonRows(settings)
        self._ledger = PersonLedger(settings)
        self._destinations = WaitingDestinations(settings.postgres_deliveries_url.get_secret_value(), record)
        self._steps: dict[str, Callable[[OpenErasure, ErasedPerson], None]] = {
            "withdraw": self._withdraw,
            "warehouse": self._delete_in_warehouse,
            "ledger": self._delete_in_ledger,
            "lake": self._delete_in_lake,
        }

    def do_next(self) -> bool:
        """Do the next step of the erasure whose turn it is, and look after those that wait for destinations.

        One that fails is noted with the reason, and others go on before it is tried again. Returns whether one is open.
        """
        is_waiting = self._destinations.look_after()
        erasure = self._record.next()
        if erasure is None:
            return is_waiting
        self._record.tried(erasure)
        try:
            self._do(erasure)
        except ErasureWaits as waiting:
            self._record.failed(erasure, str(waiting))
        except Exception as error:
            self._record.failed(erasure, f"{type(error).__name__}: {error}")
            raise
        return True

    def _do(self, erasure: OpenErasure) -> None:
        if erasure.step == "find":
            self._find(erasure)
            return
        if erasure.step == "end":
            self._end(erasure)
            return
        person = ErasedPerson.of_json(erasure.person, erasure.received_before)
        self._steps[erasure.step](erasure, person)
        self._record.passed(erasure, ERASURE_STEPS[ERASURE_STEPS.index(erasure.step) + 1])

    def _find(self, erasure: OpenErasure) -> None:
        with self._rows.reading() as client:
            try:
                person = person_of(client, erasure.tenant_id, erasure.lead_id, erasure.received_before)
            except NotFound:
                # It has become part of another lead since it was asked for, or lost what made it a lead.
                raise ErasureWaits(f"There is no lead {erasure.lead_id} any more: see `echolead lead show`.") from None
        self._know(erasure, person)
        self._record.passed(erasure, "withdraw")

    def _end(self, erasure: OpenErasure) -> None:
        """Back to the ledger where the engine has planned a delivery from what it had read before the rows went.

        Else who it is is forgotten, also while a destination is away.
        """
        person = self._know(erasure, ErasedPerson.of_json(erasure.person, erasure.received_before))
        if self._ledger.counts(person):
            self._record.passed(erasure, "ledger")
        elif message := waiting_for(map(WithdrawalState.of, erasure.withdrawals)):
            self._record.forgotten(erasure, message)
        else:
            self._record.done(erasure.erasure_id)

    def _know(self, erasure: OpenErasure, person: ErasedPerson) -> ErasedPerson:
        """With what the ledger has of it."""
        deliveries, records = self._ledger.sent(person)
        person = replace(
            person,
            deliveries=sorted({*person.deliveries, *deliveries}),
            records=sorted({*person.records, *records}),
        )
        person = replace(person, contacts=sorted({*person.contacts, *self._ledger.chat_contacts(person)}))
        remote = self._ledger.remote_records(person)
        self._record.known(erasure, person.as_json(), person.hashes, person.contacts, remote)
        return person

    def _withdraw(self, _: OpenErasure, person: ErasedPerson) -> None:
        """Others are computed without the person, by the turn that finds its visitors in the quarantine."""
        entries = self._ledger.leave_out(person)
        if not self._rows.is_withdrawn(entries):
            raise ErasureWaits("The next turn of the warehouse leaves its rows out.")

    def _delete_in_warehouse(self, erasure: OpenErasure, person: ErasedPerson) -> None:
        person = self._know(erasure, person)
        self._record.counted(erasure, self._rows.delete_models(person))
        self._record.counted(erasure, self._rows.delete_raw(person, with_snapshots=False))

    def _delete_in_ledger(self, erasure: OpenErasure, person: ErasedPerson) -> None:
        person = self._know(erasure, person)
        before = [WithdrawalState.of(each) for each in erasure.withdrawals]
        states = first_states(self._ledger.withdrawals(person), before)
        self._record.planned(erasure, [each.as_json() for each in states])
        try:
            self._record.counted(erasure, self._ledger.delete(person, erasure.erasure_id))
        except DeliveryUnderWay:
            raise ErasureWaits("A delivery of the lead is being sent.") from None

    def _delete_in_lake(self, erasure: OpenErasure, person: ErasedPerson) -> None:
        """Once the mirror no longer has what the ledger had, nothing comes back to raw, and from raw to the lake."""
        if not self._rows.is_unmirrored(person):
            raise ErasureWaits("The mirror of PostgreSQL still names the lead.")
        self._record.counted(erasure, self._rows.delete_models(person))
        self._record.counted(erasure, self._rows.delete_raw(person, with_snapshots=True))
        order = {"tenant_id": person.tenant_id, "conditions": conditions.of_raw(person)}
        done = answer_of(self._settings, "dlt_pipelines.lake", "erase", given=json.dumps(order), seconds=LAKE_SECONDS)
        self._record.counted(erasure, {f"lake.{source}": rows for source, rows in done["rows"].items()})
        came_back = self._rows.came_back(person)
        if came_back:
            self._ledger.ask_again(person, came_back)


def do_steps(settings: Settings) -> bool:
    """One step of one erasure; whether one is open. For the live run's thread, and for tests."""
    with closing(ErasureRecord(settings.postgres_loader_url.get_secret_value())) as record:
        return ErasureSteps(settings, record).do_next()
