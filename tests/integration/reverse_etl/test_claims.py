"""Who may send which state of a lead: claims and leases of the ledger."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import event

from echolead.operational.database import connect
from reverse_etl.engine import DeliveryEngine
from reverse_etl.errors import Rejected
from reverse_etl.ledger import LaneLedger
from tests.fixtures.resyncing import resync
from tests.fixtures.wanted_states import payloads_of
from tests.integration.reverse_etl.conftest import Activation, payload_of
from tests.integration.reverse_etl.settings import QUICK


def plan(activation: Activation, *payloads: dict[str, object]) -> None:
    """Make these the wanted states, and plan them into the ledger."""
    activation.want(*payloads)
    with DeliveryEngine(activation.settings, QUICK) as planner:
        planner.run_once()


def test_a_resync_sends_the_newest_state_of_a_lead_and_no_older_one(activation: Activation, ledger: LaneLedger) -> None:
    for name in ("Ana", "Ana Maria"):
        plan(activation, payload_of("lead-1", name=name))
        (claim,) = ledger.claim(5, lease_seconds=60)
        ledger.give_up(claim, Rejected("no", status=422), [], state="dead")

    assert resync(activation.settings, activation.tenant_id) == {"dead": 1}

    (again,) = ledger.claim(5, lease_seconds=60)
    assert again.lead.name == "Ana Maria"


def test_a_lead_is_not_claimed_while_an_older_state_of_it_is_in_flight(
    activation: Activation, ledger: LaneLedger
) -> None:
    plan(activation, payload_of("lead-1", name="Ana"))
    (older,) = ledger.claim(5, lease_seconds=60)
    plan(activation, payload_of("lead-1", name="Ana Maria"), payload_of("lead-2"))

    (other,) = ledger.claim(5, lease_seconds=60)
    assert other.lead.lead_id == "lead-2"
    ledger.delivered(older, "7", [])
    assert ledger.claim(5, lease_seconds=60) == []
    ledger.verified(older, [])
    (newer,) = ledger.claim(5, lease_seconds=60)
    assert (newer.lead.name, newer.history.remote_id) == ("Ana Maria", "7")


def test_a_state_that_was_in_flight_when_its_holder_died_is_not_sent_after_a_newer_one(
    activation: Activation, ledger: LaneLedger
) -> None:
    plan(activation, payload_of("lead-1", name="Ana"))
    ledger.claim(5, lease_seconds=60)
    plan(activation, payload_of("lead-1", name="Ana Maria"))
    activation.rows(
        "update deliveries set lease_until = now() - interval '1 s' where lease_until is not null returning 1"
    )

    (newer,) = ledger.claim(5, lease_seconds=60)

    assert newer.lead.name == "Ana Maria"
    assert "Ana" in [sent.name for sent in newer.history.sent]
    ledger.delivered(newer, "7", [])
    ledger.verified(newer, [])
    assert ledger.claim(5, lease_seconds=60) == []
    ledger.set_aside_overtaken()
    assert activation.states() == ["superseded", "verified"]


def test_a_state_that_was_put_off_while_a_newer_one_was_planned_is_not_sent_after_it(
    activation: Activation, ledger: LaneLedger
) -> None:
    """Neither transaction sees the other's row, so that both states are due."""
    plan(activation, payload_of("lead-1", name="Ana"))
    plan(activation, payload_of("lead-1", name="Ana Maria"))
    activation.rows(
        "update deliveries set state = 'retry', next_attempt_at = now() where state = 'superseded' returning 1"
    )

    (newer,) = ledger.claim(5, lease_seconds=60)

    assert newer.lead.name == "Ana Maria"
    ledger.give_up(newer, Rejected("no", status=422), [], state="dead")
    assert ledger.claim(5, lease_seconds=60) == []
    ledger.set_aside_overtaken()
    assert activation.states() == ["superseded", "dead"]


def test_two_claims_at_once_take_a_lead_once(activation: Activation, ledger: LaneLedger) -> None:
    """The first has chosen and not ended its transaction yet when the second looks."""
    plan(activation, *payloads_of(4))
    first = connect(activation.urls["postgres_deliveries_url"])
    has_chosen, may_end = threading.Event(), threading.Event()

    @event.listens_for(first, "commit")
    def wait_before_the_end(_: object) -> None:
        has_chosen.set()
        assert may_end.wait(60)

    with ThreadPoolExecutor(2) as both:
        of_first = both.submit(
            LaneLedger(first, activation.tenant_id, activation.destination_id).claim, 3, lease_seconds=60
        )
        assert has_chosen.wait(60)
        of_second = both.submit(ledger.claim, 3, lease_seconds=60)
        while not of_second.done() and not activation.rows("select from pg_locks where not granted"):
            time.sleep(0.01)
        may_end.set()
        claims = [*of_first.result(60), *of_second.result(60)]
    first.dispose()

    assert sorted(claim.lead.lead_id for claim in claims) == [f"lead-{number}" for number in range(4)]


def test_a_holder_that_lost_its_lease_cannot_record_a_result(activation: Activation, ledger: LaneLedger) -> None:
    plan(activation, payload_of("lead-1"))

    (slow,) = ledger.claim(5, lease_seconds=0.01)
    assert slow.was == "pending"
    activation.wait_until("select from deliveries where lease_until < clock_timestamp()")
    (taking_over,) = ledger.claim(5, lease_seconds=60)
    assert taking_over.was == "in_flight"
    assert ledger.claim(5, lease_seconds=60) == []

    ledger.give_up(slow, Rejected("too late to say", status=422), [], state="dead")
    assert activation.states() == ["in_flight"]
    ledger.give_up(taking_over, Rejected("no", status=422), [], state="dead")
    assert activation.states() == ["dead"]


def test_the_ledger_is_written_as_the_tenant(activation: Activation) -> None:
    activation.rows("update destinations set is_enabled = false returning 1")
    activation.want(payload_of("lead-1"))
    with DeliveryEngine(activation.settings, QUICK) as planner:
        planner.run_once()
    connections = connect(activation.urls["postgres_deliveries_url"])
    ledger = LaneLedger(connections, activation.tenant_id, activation.destination_id)
    (claim,) = ledger.claim(5, lease_seconds=60)

    # The statement names the delivery and no tenant: the database must notice that the lane is another tenant's.
    LaneLedger(connections, "another-tenant", activation.destination_id).give_up(
        claim, Rejected("no", status=422), [], state="dead"
    )
    assert activation.states() == ["in_flight"]
    ledger.give_up(claim, Rejected("no", status=422), [], state="dead")
    assert activation.states() == ["dead"]
    connections.dispose()
