"""An erased person's fields leave the destinations, while answers get lost, engines die and one destination is away."""

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from echolead.demo.chatwoot import Fault, Faults
from echolead.demo.hubspot import HubSpotStore
from echolead.demo.hubspot import create_app as create_hubspot
from echolead.demo.pipedrive import PipedriveStore
from echolead.demo.pipedrive import create_app as create_pipedrive
from echolead.erasure.person import ErasedPerson
from echolead.operational import erasures
from echolead.operational.database import system_session
from echolead.operational.erasures import ErasureRecord, OpenErasure
from echolead.operational.errors import ChangeRefused
from echolead.operational.models import Destination, Erasure
from echolead.operational.provision import OperationalUrls
from orchestration.erasure.destinations import WaitingDestinations
from orchestration.erasure.ledger import DeliveryUnderWay, PersonLedger
from orchestration.erasure.withdrawing import first_states
from reverse_etl.engine import DeliveryEngine
from tests.fixtures.operational import make_destination
from tests.fixtures.served_app import served
from tests.integration.reverse_etl.bad_day import kill_engines
from tests.integration.reverse_etl.conftest import STALLED_SECONDS, Activation, payload_of
from tests.integration.reverse_etl.settings import QUICK

TOKEN = "crm-test-token"
NONE = UUID(int=0)
SECRETS = {"hubspot": {"access_token": TOKEN}, "pipedrive": {"api_token": TOKEN}}
OF_PERSON = """
select to_jsonb(found)::text as said from (
    select to_jsonb(deliveries) as found from deliveries union all select to_jsonb(delivery_attempts)
    from delivery_attempts union all select to_jsonb(destination_records) from destination_records
    union all select to_jsonb(erasures) from erasures
) as every
"""


@dataclass
class Erasing:
    """Three destinations, the erasure of `lead-1`, and what the live run does about it."""

    activation: Activation
    loader: str
    hubspot: HubSpotStore
    pipedrive: PipedriveStore
    faults: dict[str, Faults]
    places: dict[str, Destination | None]
    erasure_id: UUID = NONE

    def deliver(self, *payloads: dict[str, Any]) -> None:
        """Every destination has these leads."""
        for place in self.places.values():
            self.activation.want(*payloads, destination=place)
        with DeliveryEngine(self.activation.settings, QUICK) as engine:
            self.activation.settle(engine)
            for place in self.places.values():
                self.activation.unwant("lead-1", destination=place)
            engine.run_once()

    def ledger(self) -> PersonLedger:
        url = SecretStr(self.loader)
        return PersonLedger(self.activation.settings.model_copy(update={"postgres_loader_url": url}))

    def erase(self) -> None:
        """All steps of our own stores are done: the ledger's, of these."""
        with system_session(self.activation.database) as session:
            asked = erasures.ask(session, self.activation.tenant_id, "lead-1", actor="cli:ana", reason="LGPD")
            self.erasure_id, before = asked.erasure_id, asked.received_before
        person = self.person(before)
        erasure = OpenErasure(self.erasure_id, person.tenant_id, "lead-1", before, "ledger", {}, [])
        with closing(ErasureRecord(self.loader)) as record:
            states = first_states(self.ledger().withdrawals(person), [])
            record.planned(erasure, [each.as_json() for each in states])
            for _ in range(2):  # a run that is killed does the step once more
                self.ledger().delete(person, self.erasure_id)
            record.forgotten(erasure, "")

    def person(self, before: datetime) -> ErasedPerson:
        """`lead-1` with what the ledger has of it now."""
        person = ErasedPerson(self.activation.tenant_id, "lead-1", before, ["lead-1"], ["lead-1"])
        deliveries, records = self.ledger().sent(person)
        return replace(person, deliveries=deliveries, records=records, emails=["lead-1@lead.test"])

    def look(self) -> Erasure:
        """The erasure after the live run has looked after it."""
        url = self.activation.settings.postgres_deliveries_url.get_secret_value()
        with closing(ErasureRecord(self.loader)) as record:
            WaitingDestinations(url, record).look_after()
        with system_session(self.activation.database) as session:
            found = erasures.get_erasure(session, self.erasure_id)
            session.expunge(found)
        return found

    def run(self, is_there: Callable[[Erasure], bool]) -> Erasure:
        """An engine works until the erasure is as wanted."""
        deadline = time.monotonic() + STALLED_SECONDS
        with DeliveryEngine(self.activation.settings, QUICK) as engine:
            while not is_there(found := self.look()):
                assert time.monotonic() < deadline, (found.withdrawals, found.message)
                engine.run_once()
                time.sleep(0.02)
        return found

    def said(self) -> list[str]:
        """Rows of the ledger and of erasures that say who it was, but for what waits for a destination."""
        rows = [row["said"] for row in self.activation.rows(OF_PERSON)]
        kept = [row for row in rows if '"erased"' not in row]
        return [row for row in kept if "lead-1" in row]

    def states(self, erasure: Erasure) -> dict[str, str]:
        return {each["kind"]: each["state"] for each in erasure.withdrawals}

    def ours_in_pipedrive(self) -> dict[str, list[Any]]:
        """Values of our fields, by the person's address."""
        ours = {field["field_code"] for field in self.pipedrive.fields["person"] if "EchoLead" in field["field_name"]}
        return {
            person["emails"][0]["value"]: [value for key, value in person["custom_fields"].items() if key in ours]
            for person in self.pipedrive.persons.values()
        }


@pytest.fixture
def erasing(activation: Activation, empty_operational_urls: OperationalUrls) -> Iterator[Erasing]:
    hubspot, pipedrive = HubSpotStore(), PipedriveStore()
    faults = {kind: Faults() for kind in SECRETS}
    apps = {
        "hubspot": create_hubspot(TOKEN, store=hubspot, faults=faults["hubspot"]),
        "pipedrive": create_pipedrive(TOKEN, store=pipedrive, faults=faults["pipedrive"]),
    }
    places: dict[str, Destination | None] = {"chatwoot": None}
    with ExitStack() as stack:
        for kind, app in apps.items():
            url = stack.enter_context(served(app))
            places[kind] = make_destination(
                activation.database, activation.tenant_id, kind=kind, name=kind,
                configuration={"base_url": url, "forms_url": url}, secrets=SECRETS[kind],
            )  # fmt: skip
        every = {"chatwoot": activation.chatwoot.faults, **faults}
        yield Erasing(activation, empty_operational_urls.loader, hubspot, pipedrive, every, places)


def test_fields_leave_each_destination_once_it_is_there_and_nothing_of_ours_says_who_it_was(erasing: Erasing) -> None:
    erasing.deliver(payload_of("lead-1"), payload_of("lead-2"))
    erasing.faults["chatwoot"].replace([Fault("status_after", where="destroy_custom_attributes", times=4, status=500)])
    erasing.faults["hubspot"].replace([Fault("cut_after", where="contacts/batch/update", times=4)])
    # It answers what it has of the person, and takes no change.
    erasing.faults["pipedrive"].replace([Fault("status", where="PATCH", status=503)])
    erasing.erase()

    def is_tried(found: Erasure) -> bool:
        return list(erasing.states(found).values()).count("withdrawn") == 2 and "503" in found.message

    waiting = erasing.run(is_tried)
    assert erasing.activation.rows(
        "select from delivery_attempts join deliveries using (delivery_id)"
        " where erasure_id is not null and operation = 'read person' and outcome = 'ok'"
    )
    assert erasing.states(waiting)["pipedrive"] == "waiting"
    assert (waiting.state, waiting.step, waiting.lead_id, waiting.person) != ("done", "destinations", "", {})
    assert waiting.message.startswith("Waiting for pipedrive (")
    assert erasing.said() == []
    [kept] = erasing.activation.rows("select payload from deliveries where erasure_id is not null")
    assert "@" not in json.dumps(kept["payload"])
    assert "Ana" not in json.dumps(kept["payload"])

    [mine] = [each for each in erasing.activation.chatwoot.contacts() if each["email"] == "lead-1@lead.test"]
    assert (mine["custom_attributes"], mine["identifier"], mine["name"]) == ({}, None, "Ana Souza")
    contacts = {row["properties"]["email"]: row["properties"] for row in erasing.hubspot.objects["contacts"].values()}
    assert not [key for key, value in contacts["lead-1@lead.test"].items() if key.startswith("echolead") and value]

    erasing.faults["pipedrive"].replace([Fault("status_after", where="PATCH /api/v2/persons", times=2, status=500)])
    done = erasing.run(lambda found: found.state == "done")
    assert set(erasing.states(done).values()) == {"withdrawn"}
    assert set(erasing.ours_in_pipedrive()["lead-1@lead.test"]) == {None}
    assert erasing.activation.rows("select * from deliveries where erasure_id is not null") == []
    assert "lead-1" not in str(erasing.activation.rows(OF_PERSON))
    [ended] = erasing.activation.rows("select detail from audit_log where action = 'erasure.finished'")
    assert {each["state"] for each in ended["detail"]["destinations"]} == {"withdrawn"}

    # Of others nothing is taken off, and nothing of the person is sent again.
    assert contacts["lead-2@lead.test"]["echolead_channel"] == "Paid Search"
    assert "Paid Search" in erasing.ours_in_pipedrive()["lead-2@lead.test"]
    calls = len(erasing.activation.attempts())
    with DeliveryEngine(erasing.activation.settings, QUICK) as engine:
        erasing.activation.settle(engine)
    assert len(erasing.activation.attempts()) == calls
    assert {row["lead_id"] for row in erasing.activation.rows()} == {"lead-2"}


def test_an_engine_that_is_killed_while_it_takes_back_is_taken_over(erasing: Erasing) -> None:
    erasing.deliver(payload_of("lead-1"))
    for faults in erasing.faults.values():
        faults.replace([Fault("latency", seconds=0.3)])
    erasing.erase()
    kill_engines(erasing.activation, random.Random(7), 2)
    for faults in erasing.faults.values():
        faults.replace([])
    done = erasing.run(lambda found: found.state == "done")
    assert set(erasing.states(done).values()) == {"withdrawn"}
    assert set(erasing.ours_in_pipedrive()["lead-1@lead.test"]) == {None}


def test_what_was_delivered_while_a_person_is_erased_is_taken_off_with_what_was_delivered_before(
    erasing: Erasing,
) -> None:
    """An engine may have read the wanted state before the rows went: the ledger is deleted once more then."""
    erasing.deliver(payload_of("lead-1", attributes={"channel": "Paid Search"}))
    erasing.erase()
    late = {"tenant": erasing.activation.tenant_id, "place": erasing.activation.destination_id,
            "payload": json.dumps({"attributes": {"late": "x"}})}  # fmt: skip
    erasing.activation.rows(
        "insert into deliveries (tenant_id, destination_id, lead_id, payload_hash, payload, state, attempts)"
        " values (:tenant, :place, 'lead-1', 'late', cast(:payload as jsonb), 'verified', 1) returning 1",
        **late,
    )
    erasing.ledger().delete(erasing.person(datetime.now(UTC)), erasing.erasure_id)

    [planned] = erasing.activation.rows(
        "select payload -> 'erased' as erased from deliveries where erasure_id is not null and destination_id = :place",
        place=erasing.activation.destination_id,
    )
    assert {"channel", "late"} <= set(planned["erased"]["attributes"])
    assert len(planned["erased"]["records"]["contact"]) == 1


def test_a_withdrawal_that_an_engine_has_just_taken_is_not_deleted_under_it(erasing: Erasing) -> None:
    erasing.deliver(payload_of("lead-1"))
    erasing.erase()
    of_erasure = "update deliveries set state = 'verified', lease_until = {} where erasure_id is not null returning 1"
    erasing.activation.rows(of_erasure.format("now() + interval '1 minute'"))
    assert set(erasing.states(found := erasing.look()).values()) == {"withdrawn"}
    assert found.state != "done"
    assert len(erasing.activation.rows("select * from deliveries where erasure_id is not null")) == 3
    erasing.activation.rows(of_erasure.format("null"))
    assert erasing.look().state == "done"


def test_another_lead_of_the_same_record_gets_its_fields_again(erasing: Erasing) -> None:
    """Such as the person, who has written again since: the fields are those of a new lead then."""
    erasing.deliver(payload_of("lead-1"))
    assert len(erasing.ledger().chat_contacts(erasing.person(datetime.now(UTC)))) == 1
    erasing.deliver(payload_of("lead-1"), payload_of("lead-3", email="lead-1@lead.test", name="Ana"))
    assert erasing.ledger().chat_contacts(erasing.person(datetime.now(UTC))) == [], "chats go on saying who it is"
    erasing.erase()
    erasing.run(lambda found: found.state == "done")
    with DeliveryEngine(erasing.activation.settings, QUICK) as engine:
        erasing.activation.settle(engine)
    [contact] = erasing.activation.chatwoot.contacts()
    assert contact["custom_attributes"]["channel"] == "Paid Search"
    [held] = [row["properties"] for row in erasing.hubspot.objects["contacts"].values()]
    assert held["echolead_id"] == "lead-3"
    assert held["echolead_url"].endswith("lead_id=lead-3")


def test_a_destination_is_given_up_by_an_operator_with_a_reason_or_after_thirty_days(erasing: Erasing) -> None:
    erasing.deliver(payload_of("lead-1"))
    erasing.faults["pipedrive"].replace([Fault("status", status=503)])
    erasing.faults["hubspot"].replace([Fault("status", status=401)])
    erasing.erase()
    erasing.run(lambda found: erasing.states(found).get("chatwoot") == "withdrawn")
    with system_session(erasing.activation.database) as session:
        for destination, reason in (("pipedrive", " "), ("nobody", "x"), ("hubspot-", "x")):
            with pytest.raises(ChangeRefused):
                erasures.give_up(session, erasing.erasure_id, destination, actor="cli:ana", reason=reason)
        erasures.give_up(session, erasing.erasure_id, "pipedrive", actor="cli:ana", reason="The account is closed")
    found = erasing.look()
    assert erasing.states(found) == {"chatwoot": "withdrawn", "hubspot": "waiting", "pipedrive": "given up"}
    assert "refuses the token" in found.message or "401" in found.message

    long_ago = datetime.now(UTC) - timedelta(days=31)
    with system_session(erasing.activation.database) as session:
        session.execute(text("update deliveries set created_at = :at, lease_until = null"), {"at": long_ago})
    done = erasing.look()
    assert (done.state, erasing.states(done)["hubspot"]) == ("done", "given up")
    [late] = [each["message"] for each in done.withdrawals if each["kind"] == "hubspot"]
    assert late.startswith("Not done within 30 days: ")
    assert erasing.activation.rows("select * from deliveries where erasure_id is not null") == []
    actions = [row["action"] for row in erasing.activation.rows("select action from audit_log order by audit_id")]
    assert "erasure.destination_given_up" in actions
    assert actions[-1] == "erasure.finished"


def test_the_ledger_is_kept_while_something_of_the_person_is_being_sent(erasing: Erasing) -> None:
    """Whatever a delivery that is under way leaves at the destination has to be taken off as well."""
    erasing.deliver(payload_of("lead-1"))
    erasing.activation.rows("update deliveries set lease_until = now() + interval '1 minute' returning 1")
    with pytest.raises(DeliveryUnderWay):
        erasing.erase()
    assert erasing.activation.rows("select * from deliveries where erasure_id is not null") == []
    assert erasing.activation.rows()
