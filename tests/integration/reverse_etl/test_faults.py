"""Every product on its worst day: three calls in ten fail, engines are killed, two run at once, and leads change.

Meanwhile every fifth lead turns out to be the same person as another one.

ECHOLEAD_TEST_FAULT_LEADS says how many leads each product gets, 100 without it: 500 is the number to believe in.
To add a product, add a row to `PRODUCTS`.
"""

import multiprocessing
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from echolead.demo.chatwoot import Fault, Faults
from echolead.demo.hubspot import HubSpotStore
from echolead.demo.hubspot import create_app as create_hubspot
from echolead.demo.pipedrive import PipedriveStore
from echolead.demo.pipedrive import create_app as create_pipedrive
from echolead.operational.models import Destination
from reverse_etl.engine import DeliveryEngine
from tests.fixtures.operational import make_destination
from tests.fixtures.served_app import served
from tests.integration.reverse_etl.conftest import Activation, payload_of
from tests.integration.reverse_etl.engine_process import run_until_killed
from tests.integration.reverse_etl.settings import QUICK

LEADS = int(os.environ.get("ECHOLEAD_TEST_FAULT_LEADS", "100"))
TWINS = range(0, LEADS, 5)
"""The leads that another lead becomes part of, from the state `JOINED_AT` on."""
TWIN_IDS = {f"lead-{number}" for number in TWINS}
JOINED_AT = 2
STATES = 3
CHANNELS = ("Direct", "Email", "Paid Search")
OTHER = "other-"
OTHERS_THERE = f"select distinct lead_id from destination_records where lead_id like '{OTHER}%'"
CHAT = "https://chat.test/app/conversations/"
# Three in ten calls fail, in every way that differs for the caller.
FAULTS = [
    Fault("status", chance=0.05, status=500),
    Fault("status", chance=0.03, status=429, retry_after="0"),
    Fault("status", chance=0.02, status=503),
    Fault("status_after", chance=0.06, status=502),
    Fault("cut_before", chance=0.05),
    Fault("cut_after", chance=0.05),
    Fault("garbled_after", chance=0.04),
    Fault("hang_after", chance=0.005, seconds=3),
    Fault("latency", chance=0.2, seconds=0.05),
]


# A batch of a hundred leads is more than a slow machine gets through in the two seconds of a single one.
PATIENT = replace(QUICK, attempt_seconds=20.0, lease_seconds=30.0)


@dataclass
class Served:
    """A product's fake that answers: how to reach it, its faults, and what it holds by lead."""

    configuration: Mapping[str, Any]
    secrets: Mapping[str, str]
    faults: Faults
    held: Callable[[], dict[str, list[dict[str, Any]]]]
    """By lead: what each of its records shows of the wanted state, as `wanted` has it."""
    companions: Callable[[], Mapping[str, Counter[str]]] = field(default=lambda: lambda: {})
    """By kind of what goes with a lead (note, deal): how many of them each lead has."""


@contextmanager
def served_hubspot() -> Iterator[Served]:
    """HubSpot with deals and notes."""
    store, faults = HubSpotStore(), Faults()
    with served(create_hubspot("hubspot-test-token", store=store, faults=faults)) as url:

        def held() -> dict[str, list[dict[str, Any]]]:
            found: dict[str, list[dict[str, Any]]] = {}
            for row in store.objects["contacts"].values():
                shown = row["properties"]
                state = {"name": shown["firstname"], "email": shown["email"], "channel": shown["echolead_channel"]}
                found.setdefault(lead_of(shown["echolead_id"]), []).append(state)
            return found

        def companions() -> dict[str, Counter[str]]:
            leads = {
                contact_id: lead_of(row["properties"]["echolead_id"])
                for contact_id, row in store.objects["contacts"].items()
            }
            counted: dict[str, Counter[str]] = {"deals": Counter(), "notes": Counter()}
            for kind, of_kind in counted.items():
                for object_id in store.objects[kind]:
                    owners = store.associated(kind, object_id, "contacts")
                    of_kind.update([leads[owner] for owner in owners] or ["nobody"])
            return counted

        configuration = {
            "base_url": url,
            "forms_url": url,
            "deal_pipeline": "default",
            "deal_stage": "appointmentscheduled",
        }
        yield Served(configuration, {"access_token": "hubspot-test-token"}, faults, held, companions)


@contextmanager
def served_pipedrive() -> Iterator[Served]:
    """Pipedrive with leads and notes, and a search that is behind."""
    store, faults = PipedriveStore(), Faults()
    store.index_seconds = 5.0
    with served(create_pipedrive("pipedrive-test-token", store=store, faults=faults)) as url:

        def keys(kind: str) -> dict[str, str]:
            return {field["field_name"]: field["field_code"] for field in reversed(store.fields[kind])}

        def held() -> dict[str, list[dict[str, Any]]]:
            found: dict[str, list[dict[str, Any]]] = {}
            named = keys("person")
            for person in store.persons.values():
                custom = person["custom_fields"]
                lead_id = lead_of(custom[named["EchoLead: id"]])
                emails = [each["value"] for each in person["emails"]]
                if lead_id in TWIN_IDS:  # it has the addresses of all records that became one
                    emails = [each for each in emails if each == last_address(lead_id)]
                channel = custom[named["EchoLead: canal"]]
                state = {"name": person["name"], "email": ", ".join(emails), "channel": channel}
                found.setdefault(lead_id, []).append(state)
            return found

        def companions() -> dict[str, Counter[str]]:
            named = keys("person")["EchoLead: id"]
            leads = {person["id"]: lead_of(person["custom_fields"][named]) for person in store.persons.values()}
            return {
                "leads": Counter(leads[lead["person_id"]] for lead in store.leads.values()),
                "notes": Counter(leads[note["person_id"]] for note in store.notes.values()),
            }

        configuration = {"base_url": url, "makes": "lead", "concurrency": 20}
        yield Served(configuration, {"api_token": "pipedrive-test-token"}, faults, held, companions)


PRODUCTS = {"hubspot": served_hubspot, "pipedrive": served_pipedrive}


def lead_of(key: str) -> str:
    """The lead that goes on: a record keeps the id of the lead that it was made for."""
    return key.replace(OTHER, "lead-")


def last_address(lead_id: str) -> str:
    return f"{lead_id}.v{STATES // 2}@lead.test"


def lead_ids() -> list[str]:
    return [f"lead-{number}" for number in range(LEADS)]


def state_of(number: int, version: int) -> dict[str, Any]:
    """The wanted state of a lead: it changes its name, its address and its channel."""
    lead_id = f"lead-{number}"
    has_joined = number in TWINS and version >= JOINED_AT
    return payload_of(
        lead_id,
        tracking_ids=[lead_id, *([other_id(number)] if has_joined else [])],
        name=f"Ana{version}",
        email=f"{lead_id}.v{version // 2}@lead.test",
        attributes={"channel": CHANNELS[version % len(CHANNELS)], "conversation_url": f"{CHAT}{number}"},
    )


def other_id(number: int) -> str:
    return f"{OTHER}{number}"


def other_state(number: int, version: int) -> dict[str, Any]:
    """The wanted state of the lead that becomes part of another."""
    address = f"{other_id(number)}@lead.test"
    return payload_of(other_id(number), tracking_ids=[other_id(number)], name=f"Bia{version}", email=address)


def wanted() -> dict[str, list[dict[str, Any]]]:
    """What has to be there in the end: each lead once, in its last state."""
    last = [state_of(number, STATES) for number in range(LEADS)]
    return {
        each["lead_id"]: [{"name": each["name"], "email": each["email"], "channel": each["attributes"]["channel"]}]
        for each in last
    }


def of_others(kind: str, counted: Counter[str]) -> Counter[str]:
    """The deals of leads that became part of others: the sales team's, as they are there already."""
    has_one = [f"lead-{number}" for number in TWINS if kind != "notes" and counted[f"lead-{number}"] == 2]
    return Counter(has_one)


def want(activation: Activation, destination: Destination, version: int) -> None:
    if version == JOINED_AT:
        let_others_arrive(activation)
    others = [other_state(number, version) for number in TWINS if version < JOINED_AT]
    if version == JOINED_AT:
        activation.unwant(*(other_id(number) for number in TWINS), destination=destination)
    activation.want(*(state_of(number, version) for number in range(LEADS)), *others, destination=destination)


def let_others_arrive(activation: Activation) -> None:
    """Deliver until half of those that are to become part of another lead have a record, and the rest perhaps."""
    with DeliveryEngine(activation.settings, PATIENT) as engine:
        while len(activation.rows(OTHERS_THERE)) < len(TWINS) // 2:
            engine.run_once()


def kill_an_engine(activation: Activation, chance: random.Random) -> None:
    """Start an engine, and kill it while it holds deliveries of the newest states that it took itself."""
    started_at = activation.rows("select clock_timestamp() as now")[0]["now"]
    lease_ends = started_at + timedelta(seconds=QUICK.lease_seconds)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.integration.reverse_etl.engine_process"])
    process = context.Process(target=run_until_killed, args=(activation.urls,))
    process.start()
    activation.wait_until(
        "select from deliveries where state = 'in_flight'"
        f" and turn = {activation.turn} and lease_until > '{lease_ends}'"
    )
    process.join(chance.uniform(0, 0.05))  # a batch is soon through; a kill can miss it
    assert process.is_alive(), "The engine ended by itself."
    process.kill()
    process.join()


@pytest.mark.parametrize("product", PRODUCTS)
def test_each_lead_arrives_once_and_in_its_last_state(activation: Activation, product: str) -> None:
    """Leads change while calls fail, answers get lost, engines are killed, and two deliver at once."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201  # to replay a failure
    chance = random.Random(seed)
    activation.rows("update destinations set is_enabled = false returning 1")  # the Chatwoot of the other tests
    with PRODUCTS[product]() as fake:
        destination = make_destination(
            activation.database,
            activation.tenant_id,
            kind=product,
            configuration=fake.configuration,
            secrets=fake.secrets,
        )
        fake.faults.replace(FAULTS, seed)
        for version in range(STATES + 1):
            want(activation, destination, version)
            kill_an_engine(activation, chance)
        kill_an_engine(activation, chance)  # nothing new: this engine took over from the one before
        with (
            DeliveryEngine(activation.settings, PATIENT) as one,
            DeliveryEngine(activation.settings, PATIENT) as other,
            ThreadPoolExecutor(2) as both,
        ):
            list(both.map(activation.settle, (one, other)))

        assert fake.held() == wanted()
        for kind, counted in fake.companions().items():
            assert counted - of_others(kind, counted) == Counter(lead_ids()), f"{kind}: twice, or missing"
        struck = Counter(fake.faults.struck)
    newest = activation.rows(
        "select distinct on (lead_id) state from deliveries where is_wanted order by lead_id, created_at desc"
    )
    merges = activation.attempts(operation="merge", outcome="ok")
    assert merges, "Nobody's two records became one: the test is blind."
    assert {row["state"] for row in newest} == {"verified"}
    assert struck.total() > 10
    assert activation.attempts(outcome="lost"), "No kill hit a delivery under way: the test is blind."
    print_table(activation, product, struck, len(merges))


def print_table(activation: Activation, product: str, struck: Counter[str], merges: int) -> None:
    """What the ledger tells of it."""
    outcomes = activation.rows("select outcome, count(*) as calls from delivery_attempts group by 1 order by 2 desc")
    tries = activation.rows("select max(attempts) as most, count(*) as deliveries from deliveries")[0]
    told = ", ".join(f"{row['outcome']} {row['calls']}" for row in outcomes)
    print(  # noqa: T201  # with -s
        f"{product}: {LEADS} leads, {tries['deliveries']} deliveries, at most {tries['most']} tries; faults"
        f" {dict(struck)}; {merges} merges; attempts by outcome: {told}"
    )
