"""The engine from the warehouse to the contacts, over HTTP, with a real ledger."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from echolead.demo.chatwoot import Fault
from reverse_etl.engine import Deliveries, DeliveryEngine
from tests.fixtures.demo_chatwoot import ACCOUNT, OTHER_ACCOUNT
from tests.fixtures.operational import make_destination, make_tenant
from tests.fixtures.resyncing import resync
from tests.fixtures.wanted_states import payloads_of
from tests.integration.reverse_etl.bad_day import BAD_DAY, kill_engines
from tests.integration.reverse_etl.conftest import Activation, payload_of
from tests.integration.reverse_etl.settings import QUICK, UNKILLED


def test_a_wanted_lead_becomes_a_contact_with_its_origin_and_is_verified(
    activation: Activation, engine: DeliveryEngine
) -> None:
    activation.want(payload_of("lead-1", phone="+5511999990000"))

    turn = activation.settle(engine)

    assert turn == Deliveries(planned=1, delivered=1, verified=1)
    (contact,) = activation.chatwoot.contacts()
    assert contact["identifier"] == "lead-1"
    assert contact["email"] == "lead-1@lead.test"
    assert contact["phone_number"] == "+5511999990000"
    assert contact["name"] == "Ana Souza"
    assert contact["labels"] == ["canal-paid-search", "origem-google"]
    assert contact["custom_attributes"] == {
        "channel": "Paid Search",
        "source": "google",
        "sessions_count": 2,
        "echolead_url": f"https://console.test/leads?tenant_id={activation.tenant_id}&lead_id=lead-1",
    }


def test_the_account_gets_the_labels_and_attributes_that_deliveries_use(
    activation: Activation, engine: DeliveryEngine
) -> None:
    activation.want(payload_of("lead-1"))
    activation.settle(engine)

    state = activation.chatwoot.state()

    assert {label["title"] for label in state["labels"]} == {"canal-paid-search", "origem-google"}
    keys = {definition["attribute_key"] for definition in state["custom_attribute_definitions"]}
    assert {"channel", "campaign", "gclid", "first_landing_page", "echolead_url"} <= keys


def test_every_call_of_a_delivery_is_recorded_without_secrets(activation: Activation, engine: DeliveryEngine) -> None:
    activation.want(payload_of("lead-1"))
    activation.settle(engine)

    calls = activation.attempts()

    assert [call["operation"] for call in calls if not call["operation"].startswith("define")] == [
        "look up contacts",
        "create contact",
        "list contact labels",
        "set contact labels",
        "read back",
        "read back labels",
    ]
    assert {(call["outcome"], call["response_status"], call["attempt"]) for call in calls} == {("ok", 200, 1)}
    assert ACCOUNT.api_access_token not in str(calls)


def test_the_same_state_is_sent_once_however_often_it_is_wanted(activation: Activation, engine: DeliveryEngine) -> None:
    activation.want(payload_of("lead-1"))
    activation.settle(engine)
    calls = len(activation.attempts())

    activation.want(payload_of("lead-1"))
    with DeliveryEngine(activation.settings, QUICK) as restarted:
        assert activation.settle(restarted).is_empty
    assert activation.settle(engine).is_empty

    assert len(activation.attempts()) == calls


def test_a_change_updates_the_contact_and_a_return_to_an_earlier_state_is_sent_again(
    activation: Activation, engine: DeliveryEngine
) -> None:
    states = [payload_of("lead-1", attributes={"channel": channel}) for channel in ("Direct", "Email", "Direct")]
    seen = []
    for state in states:
        activation.want(state)
        activation.settle(engine)
        (contact,) = activation.chatwoot.contacts()
        seen.append(contact["custom_attributes"]["channel"])

    assert seen == ["Direct", "Email", "Direct"]
    assert activation.states() == ["verified", "verified"]


def test_a_lead_that_another_became_part_of_goes_on_with_its_contact(
    activation: Activation, engine: DeliveryEngine
) -> None:
    """An older visitor turns out to be the same person and names the lead: what we wrote is still ours to change."""
    activation.want(payload_of("lead-2", email="typo@x.test", tracking_ids=["lead-2"]))
    activation.settle(engine)
    (before,) = activation.chatwoot.contacts()

    activation.want(payload_of("lead-1", email="ana@x.test", tracking_ids=["lead-1", "lead-2"]))
    activation.settle(engine)

    (after,) = activation.chatwoot.contacts()
    assert (after["id"], after["email"]) == (before["id"], "ana@x.test")


def test_a_newer_state_takes_the_place_of_one_that_still_waits(activation: Activation, engine: DeliveryEngine) -> None:
    activation.chatwoot.faults.replace([Fault("status", where="POST .*/contacts$", times=1, status=503)])
    slow = replace(QUICK, retry_base_seconds=600, retry_cap_seconds=600)
    with DeliveryEngine(activation.settings, slow) as patient:
        activation.want(payload_of("lead-1", name="Ana"))
        patient.run_once()
        activation.wait_until("select from deliveries where state = 'retry'")
        assert activation.states() == ["retry"]
        activation.want(payload_of("lead-1", name="Ana Maria"))
        activation.settle(patient)

    assert activation.states() == ["superseded", "verified"]
    assert [contact["name"] for contact in activation.chatwoot.contacts()] == ["Ana Maria"]


def test_waiting_deliveries_of_a_lead_that_is_no_longer_wanted_are_set_aside(activation: Activation) -> None:
    activation.chatwoot.faults.replace([Fault("status", where="/contacts", status=503)])
    with DeliveryEngine(activation.settings, QUICK) as first:
        activation.want(payload_of("lead-1"), payload_of("lead-2"))
        first.run_once()
    activation.unwant("lead-1")
    activation.chatwoot.faults.replace([])

    with DeliveryEngine(activation.settings, QUICK) as second:
        activation.settle(second)

    assert sorted(activation.states()) == ["superseded", "verified"]
    assert [contact["identifier"] for contact in activation.chatwoot.contacts()] == ["lead-2"]


def test_waiting_deliveries_are_kept_while_the_table_of_wanted_states_is_missing(activation: Activation) -> None:
    """dbt puts a new table in the old one's place: between the two there is none."""
    activation.chatwoot.faults.replace([Fault("status", where="/contacts", status=503)])
    activation.want(*payloads_of(3))
    with DeliveryEngine(activation.settings, QUICK) as first:
        first.run_once()
    activation.client.command("drop table activation.lead_deliveries sync")

    with DeliveryEngine(activation.settings, QUICK) as second:  # its first turn compares everything
        second.run_once()

    assert "superseded" not in activation.states()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            Fault("status_after", where="POST .*/contacts$", times=1, status=500), id="an error after the write"
        ),
        pytest.param(Fault("cut_after", where="POST .*/contacts$", times=1), id="a connection cut after the write"),
        pytest.param(
            Fault("hang_after", where="POST .*/contacts$", times=1, seconds=4), id="a time-out after the write"
        ),
        pytest.param(Fault("cut_before", where="POST .*/contacts$", times=1), id="a connection cut before the write"),
    ],
)
def test_an_unknown_outcome_is_looked_up_before_a_second_create(
    activation: Activation, engine: DeliveryEngine, fault: Fault
) -> None:
    activation.chatwoot.faults.replace([fault])
    activation.want(payload_of("lead-1"))

    activation.settle(engine)

    assert len(activation.chatwoot.contacts()) == 1
    assert activation.states() == ["verified"]
    operations = [(call["attempt"], call["operation"]) for call in activation.attempts()]
    assert (2, "look up contacts") in operations
    assert ((2, "create contact") in operations) == (fault.kind == "cut_before")


def test_retry_after_is_waited_for(activation: Activation, engine: DeliveryEngine) -> None:
    activation.chatwoot.faults.replace(
        [Fault("status", where="POST .*/contacts$", times=1, status=429, retry_after="1")]
    )
    activation.want(payload_of("lead-1"))

    activation.settle(engine)

    (refused,) = activation.attempts(outcome="unavailable")
    (accepted,) = activation.attempts(operation="create contact", outcome="ok")
    assert (accepted["started_at"] - refused["started_at"]).total_seconds() >= 1


def test_one_bad_record_is_recorded_with_its_reason_and_the_others_arrive(
    activation: Activation, engine: DeliveryEngine
) -> None:
    bad = payload_of("lead-bad", phone="not a number")
    activation.want(*payloads_of(30), bad)

    turn = activation.settle(engine)

    assert (turn.verified, turn.dead) == (30, 1)
    (dead,) = activation.rows("select * from deliveries where state = 'dead'")
    assert dead["lead_id"] == "lead-bad"
    assert dead["last_error_class"] == "Rejected"
    assert "e164" in dead["last_error"]
    assert engine.run_once().is_empty
    activation.want(payload_of("lead-bad", phone="+5511988887777"))
    assert activation.settle(engine).verified == 1


def test_a_lost_ledger_creates_no_second_contact(activation: Activation) -> None:
    activation.want(*payloads_of(8))
    with DeliveryEngine(activation.settings, QUICK) as engine:
        activation.settle(engine)
    for table in ("delivery_attempts", "deliveries", "destination_records", "planning_position"):
        activation.rows(f"delete from {table} returning 1")

    with DeliveryEngine(activation.settings, QUICK) as engine:
        turn = activation.settle(engine)

    assert turn.verified == 8
    assert len(activation.chatwoot.contacts()) == 8


def test_a_contact_that_disappears_is_made_again(activation: Activation, engine: DeliveryEngine) -> None:
    activation.want(payload_of("lead-1"))
    activation.settle(engine)
    (contact,) = activation.chatwoot.contacts()
    activation.chatwoot.ask("DELETE", f"contacts/{contact['id']}")

    assert resync(activation.settings, activation.tenant_id, is_forced=True) == {"verified": 1}
    activation.settle(engine)

    assert [found["identifier"] for found in activation.chatwoot.contacts()] == ["lead-1"]


def test_a_resync_without_force_takes_only_what_did_not_arrive(activation: Activation, engine: DeliveryEngine) -> None:
    activation.want(payload_of("lead-1"), payload_of("lead-bad", phone="not a number"))
    activation.settle(engine)

    assert resync(activation.settings, activation.tenant_id, is_dry_run=True) == {"dead": 1}
    assert resync(activation.settings, activation.tenant_id, is_forced=True, lead_ids=["lead-1"]) == {"verified": 1}
    assert resync(activation.settings, activation.tenant_id) == {"dead": 1}
    assert activation.settle(engine).dead == 1


def test_a_delivery_that_cannot_be_read_back_is_verified_later_without_being_sent_again(
    activation: Activation, engine: DeliveryEngine
) -> None:
    activation.chatwoot.faults.replace([Fault("status", where=r"GET .*/contacts/\d+$", times=1, status=503)])
    activation.want(payload_of("lead-1"))

    turn = activation.settle(engine)

    assert (turn.delivered, turn.verified) == (1, 1)
    assert len(activation.attempts(operation="create contact")) == 1
    assert len(activation.attempts(operation="set contact labels")) == 1


def test_a_refused_token_costs_no_tries_and_is_recorded_on_waiting_deliveries(activation: Activation) -> None:
    activation.rows("update destinations set is_enabled = false returning 1")
    broken = make_destination(
        activation.database,
        activation.tenant_id,
        configuration=activation.chatwoot.configuration(),
        secrets={"api_access_token": "wrong"},
    )
    activation.want(payload_of("lead-1"), destination=broken)
    with DeliveryEngine(activation.settings, QUICK) as engine:
        engine.run_once()
        (waiting,) = activation.rows()

    assert (waiting["state"], waiting["attempts"], waiting["last_error_class"]) == ("pending", 0, "Misconfigured")


def test_due_deliveries_of_a_disabled_tenant_wait_until_it_is_enabled(activation: Activation) -> None:
    activation.rows("update tenants set is_active = false returning 1")
    activation.want(payload_of("lead-1"))
    with DeliveryEngine(activation.settings, QUICK) as engine:
        for _ in range(3):
            engine.run_once()
        assert (activation.states(), activation.attempts()) == (["pending"], [])
        activation.rows("update tenants set is_active = true returning 1")
        activation.settle(engine)
    assert activation.states() == ["verified"]


def test_a_start_waits_for_no_lane_and_a_later_turn_sees_what_became_of_it(
    activation: Activation, engine: DeliveryEngine
) -> None:
    activation.want(payload_of("lead-0", phone="+5511990000000"))
    assert not engine.is_at_work

    engine.start()
    assert engine.is_at_work
    done = activation.settle(engine)

    assert done == Deliveries(planned=1, delivered=1, verified=1)
    assert not engine.is_at_work


def test_a_dead_destination_does_not_slow_the_others(activation: Activation) -> None:
    database = activation.database
    hanging = make_destination(
        database,
        make_tenant(database).tenant_id,
        configuration=activation.chatwoot.configuration(OTHER_ACCOUNT),
        secrets={"api_access_token": OTHER_ACCOUNT.api_access_token},
    )
    activation.chatwoot.faults.replace([Fault("hang_before", where="accounts/2/", seconds=60)])
    activation.want(*payloads_of(5), destination=hanging)
    activation.want(*payloads_of(5))

    policy = replace(QUICK, patience_seconds=0.2, attempt_seconds=5.0)
    with DeliveryEngine(activation.settings, policy) as engine:
        of_the_other = "select count(*) from deliveries where tenant_id = :tenant and state = 'verified'"
        deadline = time.monotonic() + 60
        while activation.rows(of_the_other, tenant=activation.tenant_id)[0]["count"] < 5:
            assert time.monotonic() < deadline
            engine.run_once()
        activation.chatwoot.faults.replace([])

    assert len(activation.chatwoot.contacts()) == 5
    assert activation.chatwoot.contacts(OTHER_ACCOUNT) == []


def test_tenants_get_their_own_leads_only(activation: Activation, engine: DeliveryEngine) -> None:
    other = make_destination(
        activation.database,
        make_tenant(activation.database).tenant_id,
        configuration=activation.chatwoot.configuration(OTHER_ACCOUNT),
        secrets={"api_access_token": OTHER_ACCOUNT.api_access_token},
    )
    activation.want(payload_of("lead-1"))
    activation.want(payload_of("lead-2"), destination=other)

    activation.settle(engine)

    assert [contact["identifier"] for contact in activation.chatwoot.contacts()] == ["lead-1"]
    assert [contact["identifier"] for contact in activation.chatwoot.contacts(OTHER_ACCOUNT)] == ["lead-2"]


def test_two_engines_at_once_send_each_lead_once(activation: Activation) -> None:
    activation.want(*payloads_of(30))
    with (
        DeliveryEngine(activation.settings, UNKILLED) as one,
        DeliveryEngine(activation.settings, UNKILLED) as other,
        ThreadPoolExecutor(2) as both,
    ):
        turns = list(both.map(activation.settle, (one, other)))

    assert sum(turn.planned for turn in turns) == 30
    assert len(activation.chatwoot.contacts()) == 30
    creations = activation.attempts(operation="create contact")
    assert len(creations) == 30
    assert {row["attempts"] for row in activation.rows()} == {1}


def test_an_engine_killed_at_any_moment_delivers_every_lead_once(activation: Activation) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201  # to replay a failure
    moments = random.Random(seed)
    activation.chatwoot.faults.replace(BAD_DAY, seed)
    activation.want(*payloads_of(40))

    kill_engines(activation, moments, 3)
    with DeliveryEngine(activation.settings, QUICK) as engine:
        activation.settle(engine)

    contacts = activation.chatwoot.contacts()
    assert sorted(contact["identifier"] for contact in contacts) == sorted(f"lead-{number}" for number in range(40))
    assert {tuple(contact["labels"]) for contact in contacts} == {("canal-paid-search", "origem-google")}
    assert set(activation.states()) == {"verified"}
    assert activation.attempts(outcome="lost"), "No kill hit a delivery under way: the test is blind."
    assert sum(activation.chatwoot.faults.struck.values()) > 50
