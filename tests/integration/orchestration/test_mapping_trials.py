"""A mapping is tried by a task of the live run, on what the ledger has of a lead and on an account that is served."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from echolead.demo.hubspot import HubSpotStore, create_app
from echolead.operational import control_tasks
from echolead.operational.control_tasks import TaskRecord
from echolead.operational.database import connect, system_session
from echolead.operational.destinations import checked_mapping
from echolead.operational.errors import ChangeRefused, NotFound
from echolead.operational.models import ControlTask, Delivery, Destination, DestinationRecord
from echolead.operational.provision import OperationalUrls
from echolead.security import Vault
from echolead.settings import Settings, load_settings
from orchestration.live.control_worker import ControlWorker
from reverse_etl.mapping_preview import MappingTrial, preview
from tests.fixtures.operational import SECRET_KEY, make_destination, make_tenant
from tests.fixtures.served_app import served

CHATWOOT = {"values": '{"base_url": "http://127.0.0.1:9", "account_id": 1, "inbox_id": 1}'}
CHATWOOTS = Vault(SECRET_KEY).encrypt({"api_access_token": "a-token"})
TOKEN = "crm-test-token"
STORED = "contact:\n  own_city: attributes.city\n"
PROPOSED = """
contact:
  own_city: {from: attributes.city, options: {Curitiba: Capital}}
  own_score: attributes.score
  own_gone: attributes.score
  firstname: null
  lastname: {from: last_name, when: create}
"""


@dataclass
class Trials:
    """A HubSpot destination with two properties of the account's own, and a worker that does what is asked."""

    database: Engine
    deliveries: Engine
    destination: Destination

    def delivery(self, lead_id: str, city: str, *, hash_: str = "h", **columns: Any) -> None:
        """The ledger has a state of the lead."""
        attributes = {"city": city, "score": 42}
        payload = {"name": "Ana Souza", "email": f"{lead_id}@lead.test", "attributes": attributes}
        with system_session(self.database) as session:
            place = {"tenant_id": self.destination.tenant_id, "destination_id": self.destination.destination_id}
            session.add(Delivery(**place, lead_id=lead_id, payload_hash=hash_, payload=payload, **columns))

    def tried(self, mapping: str) -> ControlTask:
        """The task when it has come to its end."""
        asked = {"name": self.destination.name, "mapping": mapping, "lead_id": None, "with_lead": True}
        with system_session(self.database) as session:
            task = control_tasks.ask(session, self.destination.tenant_id, "destination_mapping", asked, actor="test")
        for _ in range(600):
            with system_session(self.database) as session:
                found = control_tasks.get_task(session, task.task_id)
            if found.state in ("done", "failed"):
                return found
            time.sleep(0.05)
        raise AssertionError(f"The task is {found.state}.")

    def found(self, mapping: str, lead_id: str | None = None, *, with_lead: bool = True) -> dict[str, Any]:
        """What the process of a task finds, without a process of its own."""
        with system_session(self.database) as session:
            row = session.get_one(Destination, self.destination.destination_id)
            session.expunge(row)
        return preview(load_settings(), row, self.deliveries, MappingTrial(mapping, lead_id, with_lead))


@pytest.fixture(scope="module")
def crm() -> Iterator[tuple[str, HubSpotStore]]:
    """A HubSpot account, served."""
    store = HubSpotStore()
    for name in ("own_city", "own_score"):
        definition = {"name": name, "label": name, "type": "string", "fieldType": "text", "groupName": "information"}
        store.definitions.add_property("contacts", definition)
    with served(create_app(TOKEN, store=store)) as url:
        yield url, store


@pytest.fixture
def trials(
    empty_operational_urls: OperationalUrls,
    crm: tuple[str, HubSpotStore],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Trials]:
    """A worker on a database without tasks, and an account to which nothing is written."""
    environment = {
        "ECHOLEAD_POSTGRES_DELIVERIES_URL": empty_operational_urls.deliveries,
        "ECHOLEAD_DESTINATION_SECRET_KEYS": SECRET_KEY,
        "ECHOLEAD_ALLOW_PRIVATE_DESTINATIONS": "true",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    database, deliveries = connect(empty_operational_urls.system), connect(empty_operational_urls.deliveries)
    url, store = crm
    destination = make_destination(
        database,
        make_tenant(database).tenant_id,
        kind="hubspot",
        configuration={"base_url": url, "mapping": STORED},
        secrets={"access_token": TOKEN},
    )
    before = len(store.definitions.properties["contacts"])
    with ControlWorker(Settings(postgres_loader_url=empty_operational_urls.loader, data_dir=tmp_path)):
        yield Trials(database, deliveries, destination)
    deliveries.dispose()
    assert len(store.definitions.properties["contacts"]) == before  # a trial makes nothing in the account
    database.dispose()


def values(found: dict[str, Any]) -> dict[str, tuple[str | None, str | None]]:
    """Of each field its values before and after."""
    assert {each["record"] for each in found["fields"]} <= {"contact"}
    return {each["field"]: (each["before"], each["after"]) for each in found["fields"]}


def test_a_mapping_shows_what_it_writes_of_the_newest_lead_beside_what_the_stored_one_does(trials: Trials) -> None:
    trials.delivery("lead-1", "Santos", delivered_at=text("now()"))
    trials.delivery("lead-2", "Recife", delivered_at=text("now()"), state="verified")
    trials.delivery("lead-2", "Curitiba", hash_="newer")  # it waits: what the engine sends next
    trials.delivery("lead-3", "Manaus")  # it has not arrived
    found = trials.tried(PROPOSED).result
    assert found is not None
    assert (found["is_valid"], found["lead_id"]) == (True, "lead-2")
    assert values(found) == {
        "own_city": ("Curitiba", "Capital"),
        "own_score": (None, "42"),
        "firstname": ("Ana", None),
        "lastname": ("Souza", "Souza"),
        "email": ("lead-2@lead.test",) * 2,
        "lifecyclestage": ("lead",) * 2,
    }
    assert {"state": "note", "subject": "contact own_gone", "detail": "the account has no such property."} in found[
        "findings"
    ]
    assert "echolead_channel: attributes.channel" in found["default"]


def test_a_known_record_is_not_given_what_is_for_a_new_one_and_another_lead_is_chosen_by_its_id(trials: Trials) -> None:
    trials.delivery("lead-1", "Santos", delivered_at=text("now()"))
    trials.delivery("lead-9", "Natal", is_wanted=False)
    with system_session(trials.database) as session:
        place = {"tenant_id": trials.destination.tenant_id, "destination_id": trials.destination.destination_id}
        session.add(DestinationRecord(**place, lead_id="lead-1", remote_kind="contact", remote_id="7"))
    found = trials.found(PROPOSED, "lead-1")
    assert values(found)["lastname"] == ("Souza", None)
    gone = trials.found(PROPOSED, "lead-9")
    assert (gone["is_valid"], gone["lead_id"], gone["fields"]) == (True, None, [])
    assert gone["findings"] == [
        {"state": "note", "subject": "lead", "detail": "lead-9 is not wanted at this destination"}
    ]
    unseen = trials.found(PROPOSED, with_lead=False)  # asked by who may not read leads
    assert (unseen["is_valid"], unseen["lead_id"], unseen["fields"], unseen["findings"]) == (True, None, [], [])


def test_a_mistake_is_found_with_its_line_and_only_a_valid_mapping_of_the_same_destination_is_stored(
    trials: Trials,
) -> None:
    wrong, right = trials.tried("contact:\n  city: citty\n"), trials.tried(STORED)
    assert wrong.result is not None
    assert wrong.result["is_valid"] is False
    assert wrong.result["findings"][0]["detail"].startswith("The mapping, line 2: 'citty' is no source")
    other = make_destination(trials.database, trials.destination.tenant_id)
    with system_session(trials.database) as session:
        assert checked_mapping(session, trials.destination, right.task_id) == STORED.strip()
        with pytest.raises(ChangeRefused, match="line 2"):
            checked_mapping(session, trials.destination, wrong.task_id)
        with pytest.raises(NotFound):
            checked_mapping(session, other, right.task_id)


def test_an_account_that_does_not_answer_keeps_no_one_from_a_mapping_and_a_product_without_one_says_so(
    trials: Trials,
) -> None:
    trials.delivery("lead-1", "Santos", delivered_at=text("now()"))
    with system_session(trials.database) as session:
        session.execute(
            text(
                "update destinations set configuration = jsonb_set(configuration, '{base_url}', '\"http://127.0.0.1:9\"')"
            )
        )
    found = trials.found(PROPOSED)
    assert (found["is_valid"], found["fields"], found["findings"][0]["subject"]) == (True, [], "account")
    with system_session(trials.database) as session:
        session.execute(text("update destinations set kind = 'chatwoot'"))
        session.execute(text("update destinations set configuration = cast(:values as jsonb)"), CHATWOOT)
        session.execute(text("update destinations set secrets = :secrets"), {"secrets": CHATWOOTS})
    failed = trials.tried(PROPOSED)
    assert (failed.state, failed.message) == ("failed", "A chatwoot destination has no mapping.")


def test_what_a_trial_shows_of_a_lead_is_forgotten_after_a_day(
    trials: Trials, empty_operational_urls: OperationalUrls
) -> None:
    trials.delivery("lead-1", "Santos", delivered_at=text("now()"))
    task = trials.tried(STORED)
    with system_session(trials.database) as session:
        session.execute(text("update control_tasks set ended_at = now() - interval '25 hours'"))
    with closing(TaskRecord(empty_operational_urls.loader, 30)) as record:
        record.forget_people()
    with system_session(trials.database) as session:
        assert control_tasks.get_task(session, task.task_id).result is None
        with pytest.raises(ChangeRefused, match="check the mapping again"):
            checked_mapping(session, trials.destination, task.task_id)
