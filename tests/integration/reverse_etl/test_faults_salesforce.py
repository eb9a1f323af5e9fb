"""Salesforce on its worst day: three calls in ten fail, engines are killed, two run at once, and leads change."""

import multiprocessing
import os
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from echolead.demo.chatwoot.faults import Fault
from echolead.demo.salesforce import RowFault
from reverse_etl.engine import DeliveryEngine
from tests.fixtures.demo_salesforce import configuration, made_org, secrets, served_salesforce
from tests.fixtures.operational import make_destination
from tests.integration.reverse_etl.conftest import Activation, payload_of
from tests.integration.reverse_etl.engine_process import run_until_killed
from tests.integration.reverse_etl.settings import QUICK

LEADS = int(os.environ.get("ECHOLEAD_TEST_FAULT_LEADS", "100"))
STATES = 3
CHANNELS = ("Direct", "Email", "Paid Search")
# Not what an engine that was killed before left under its lease.
HELD_SINCE = (
    "select from deliveries where state = 'in_flight' and lease_until > timestamptz '{}' + interval '3 seconds'"
)
FAULTS = [
    Fault("status", chance=0.05, status=500),
    Fault("status", chance=0.03, status=429, retry_after="0"),
    Fault("status", chance=0.02, status=503),
    Fault("status_after", chance=0.06, status=502),
    Fault("cut_before", chance=0.05),
    Fault("cut_after", chance=0.05),
    Fault("garbled_after", chance=0.04),
    Fault("hang_after", chance=0.005, seconds=3),
    Fault("latency", chance=0.5, seconds=0.1),
]
# And rows within answers of 200.
ROW_FAULTS = [
    RowFault("UNABLE_TO_LOCK_ROW", where="lead-[0-9]*3", times=40),
    RowFault("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", where="lead-[0-9]*5", times=40),
]


def state_of(number: int, version: int) -> dict[str, Any]:
    return payload_of(
        f"lead-{number}",
        name=f"Ana{version} Souza",
        email=f"lead-{number}.v{version // 2}@lead.test",
        attributes={"channel": CHANNELS[version % len(CHANNELS)]},
    )


def kill_an_engine(activation: Activation, chance: random.Random) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.integration.reverse_etl.engine_process"])
    (now,) = activation.rows("select clock_timestamp() as started")
    process = context.Process(target=run_until_killed, args=(activation.urls,))
    process.start()
    activation.wait_until(HELD_SINCE.format(now["started"].isoformat()))
    process.join(chance.uniform(0, 0.1))
    assert process.is_alive(), "The engine ended by itself."
    process.kill()
    process.join()


def test_each_lead_arrives_once_and_in_its_last_state(activation: Activation) -> None:
    """ECHOLEAD_TEST_FAULT_LEADS says how many leads; 500 is the number to believe in."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201  # to replay a failure
    chance = random.Random(seed)
    activation.rows("update destinations set is_enabled = false returning 1")  # the Chatwoot of the other tests
    with served_salesforce(made_org(row_faults=list(ROW_FAULTS))) as salesforce:
        destination = make_destination(
            activation.database,
            activation.tenant_id,
            kind="salesforce",
            configuration=configuration(salesforce.url, batch_size=5),
            secrets=secrets(),
        )
        salesforce.faults.replace(FAULTS, seed)
        for version in range(STATES + 1):
            activation.want(*(state_of(number, version) for number in range(LEADS)), destination=destination)
            for _ in range(1 if version < STATES else 2):
                kill_an_engine(activation, chance)
        with (
            DeliveryEngine(activation.settings, QUICK) as one,
            DeliveryEngine(activation.settings, QUICK) as other,
            ThreadPoolExecutor(2) as both,
        ):
            list(both.map(activation.settle, (one, other)))

    last = [state_of(number, STATES) for number in range(LEADS)]
    assert sorted(held["EchoLead_Id__c"] for held in salesforce.org.present()) == sorted(x["lead_id"] for x in last)
    held_now = {held["EchoLead_Id__c"]: held for held in salesforce.org.present()}
    for wanted in last:
        held = held_now[wanted["lead_id"]]
        shown = (f"{held['FirstName']} {held['LastName']}", held["Email"], held["EchoLead_Channel__c"])
        assert shown == (wanted["name"], wanted["email"], wanted["attributes"]["channel"])
    newest = activation.rows("select distinct on (lead_id) state from deliveries order by lead_id, created_at desc")
    assert {row["state"] for row in newest} == {"verified"}
    assert sum(salesforce.faults.struck.values()) > 20
    assert activation.attempts(outcome="lost"), "No kill hit a delivery under way: the test is blind."
