"""What the engine plans, in which order, and what a restart, a crash and a second engine change about it: nothing."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from echolead.operational.database import connect, system_session
from echolead.operational.provision import OperationalUrls
from reverse_etl.destinations.chatwoot import ChatwootContacts
from reverse_etl.engine import DeliveryEngine
from reverse_etl.errors import Rejected, Unavailable
from reverse_etl.ledger import LaneLedger
from tests.fixtures.resyncing import resync
from tests.integration.reverse_etl.conftest import LEAD_DELIVERIES, Activation, payload_of
from tests.integration.reverse_etl.settings import QUICK

FEW = replace(QUICK, planned_rows=3)
"""Chunks of three rows."""
MANY = 2 * QUICK.planned_rows
PLANNED = "select lead_id, turn, state, is_wanted from deliveries order by created_at"
OTHER_WORDS = """
alter table activation.lead_deliveries update payload_hash = 'another' where true settings mutations_sync = 2
"""
POSITION = "select planned_turn, unplanned from planning_position"
RECORDS = """
insert into destination_records (tenant_id, destination_id, lead_id, remote_kind, remote_id)
select :t, :d, 'old-' || number, 'contact', 'remote-' || number from generate_series(0, :n - 1) as number
returning 1
"""


@pytest.fixture
def owner(empty_operational_urls: OperationalUrls) -> Iterator[Engine]:
    """The owner of the tables."""
    owner = connect(empty_operational_urls.owner)
    yield owner
    owner.dispose()


def plan_all(activation: Activation) -> None:
    """Plan until nothing is left, in an engine of its own."""
    with DeliveryEngine(activation.settings, QUICK) as planner:
        while planner.is_behind:
            planner.run_once()


def leads(*names: str, **fields: object) -> list[dict[str, object]]:
    return [payload_of(name, **fields) for name in names]


def creations_before(activation: Activation, lead_id: str) -> int:
    """How many contacts the demo Chatwoot was asked to create before this lead's."""
    created = sorted(activation.chatwoot.contacts(), key=lambda contact: contact["id"])
    return [contact["identifier"] for contact in created].index(lead_id)


def test_a_new_lead_passes_thousands_of_rebuilt_ones_that_wait(activation: Activation) -> None:
    activation.rows("update destinations set is_enabled = false returning 1")
    activation.rows(RECORDS, t=activation.tenant_id, d=activation.destination_id, n=MANY)
    activation.want_many(MANY, turn=activation.turn + 1)
    plan_all(activation)
    assert activation.rows("select count(*) from deliveries where state = 'pending'")[0]["count"] == MANY
    activation.want(payload_of("new-1"))
    activation.rows("update destinations set is_enabled = true returning 1")

    with DeliveryEngine(activation.settings, replace(QUICK, patience_seconds=0.1)) as engine:
        engine.run_once()
        activation.wait_until("select from deliveries where lead_id = 'new-1' and state = 'verified'")

    assert creations_before(activation, "new-1") < ChatwootContacts.traits.concurrency


def test_a_new_lead_passes_thousands_of_old_ones_that_are_not_planned_yet(activation: Activation) -> None:
    activation.want_many(MANY, turn=activation.turn + 1)
    activation.want(payload_of("new-1"))

    with DeliveryEngine(activation.settings, replace(QUICK, patience_seconds=0.1)) as engine:
        engine.run_once()
        activation.wait_until("select from deliveries where lead_id = 'new-1' and state = 'verified'")
        planned = activation.rows("select count(*) from deliveries")[0]["count"]

    # It is the first to be claimed, with those that are sent at the same time.
    assert creations_before(activation, "new-1") < ChatwootContacts.traits.concurrency
    assert planned == 1 + QUICK.planned_rows


def test_a_new_lead_stays_first_when_everything_is_built_anew(activation: Activation, ledger: LaneLedger) -> None:
    """The rebuild wants the new lead by the same turn as all the others."""
    activation.want(*leads("known-1", "known-2"))
    plan_all(activation)
    for claim in ledger.claim(5, lease_seconds=60):
        ledger.delivered(claim, claim.lead.lead_id, [])
        ledger.verified(claim, [])
    activation.want(payload_of("new-1"))
    plan_all(activation)
    activation.want(*leads("known-1", "known-2", "new-1", name="Built anew"))
    plan_all(activation)

    (first,) = ledger.claim(1, lease_seconds=60)

    assert (first.lead.lead_id, first.lead.name) == ("new-1", "Built anew")


def test_a_new_lead_that_is_tried_again_goes_before_changes_of_known_ones(
    activation: Activation, ledger: LaneLedger
) -> None:
    activation.want(payload_of("known"))
    plan_all(activation)
    (claim,) = ledger.claim(1, lease_seconds=60)
    ledger.delivered(claim, "7", [])
    ledger.verified(claim, [])
    activation.want(payload_of("new"))
    plan_all(activation)
    (claim,) = ledger.claim(1, lease_seconds=60)
    ledger.put_off(claim, Unavailable("busy"), [], state="retry", delay_seconds=0)
    activation.want(payload_of("known", name="Changed"))
    plan_all(activation)

    (first,) = ledger.claim(1, lease_seconds=60)

    assert first.lead.lead_id == "new"


def test_of_what_waits_the_state_that_was_wanted_last_is_claimed_first(
    activation: Activation, ledger: LaneLedger
) -> None:
    """Planned in chunks from the newest turn down, so the oldest turn was planned last."""
    for name in ("one", "two", "three", "four", "five"):
        activation.want(payload_of(name))
    with DeliveryEngine(activation.settings, replace(QUICK, planned_rows=1)) as planner:
        while planner.is_behind:
            planner.run_once()

    claimed = [ledger.claim(1, lease_seconds=60)[0].lead.lead_id for _ in range(5)]

    assert claimed == ["five", "four", "three", "two", "one"]


def test_one_turn_plans_a_chunk_and_the_next_turns_the_rest(activation: Activation, ledger: LaneLedger) -> None:
    activation.want_many(10, turn=activation.turn + 1)

    with DeliveryEngine(activation.settings, FEW) as engine:
        assert engine.is_behind
        planned = []
        while engine.is_behind:
            planned.append(engine.run_once().planned)
        assert engine.run_once().is_empty

    # What is new and a chunk of the rest in the first turn; the last looks for older turns and finds none.
    assert planned == [6, 3, 1, 0]
    assert activation.rows(POSITION) == [{"planned_turn": activation.turn, "unplanned": []}]


def test_news_are_planned_before_the_rest_of_a_backlog(activation: Activation, ledger: LaneLedger) -> None:
    activation.want_many(20, turn=activation.turn + 1)
    with DeliveryEngine(activation.settings, FEW) as engine:
        engine.run_once()
        activation.want(payload_of("new-1"))
        turn = engine.run_once()

    assert turn.planned == 1 + 3
    assert [row["lead_id"] for row in activation.rows(PLANNED)].index("new-1") == 6


def test_a_restart_reads_nothing_that_was_planned(activation: Activation, ledger: LaneLedger) -> None:
    """Rows of planned turns are put in other words: an engine that read them would plan them."""
    activation.want_many(10, turn=activation.turn + 1)
    with DeliveryEngine(activation.settings, FEW) as engine:
        engine.run_once()
    planned = {row["lead_id"] for row in activation.rows(PLANNED)}
    assert len(planned) == 6
    activation.client.command(LEAD_DELIVERIES)
    activation.want_many(10, turn=activation.turn)
    activation.client.command(OTHER_WORDS)

    with DeliveryEngine(activation.settings, FEW) as restarted:
        again = 0
        while restarted.is_behind:
            again += restarted.run_once().planned

    in_other_words = activation.rows("select lead_id from deliveries where payload_hash = 'another'")
    assert again == 4
    assert {row["lead_id"] for row in in_other_words} == {f"old-{number}" for number in range(10)} - planned


def test_planning_that_is_broken_off_is_undone_and_done_again(
    activation: Activation, ledger: LaneLedger, owner: Engine
) -> None:
    """The position cannot be stored: then nothing of what was planned with it may stay."""
    activation.want(*leads("lead-1", "lead-2"))
    with system_session(owner) as session:
        session.execute(text("alter table planning_position add constraint broken check (planned_turn = 0)"))
    try:
        with DeliveryEngine(activation.settings, QUICK) as engine, pytest.raises(IntegrityError):
            engine.run_once()
        assert (activation.rows(), activation.rows(POSITION)) == ([], [])
    finally:
        with system_session(owner) as session:
            session.execute(text("alter table planning_position drop constraint broken"))

    plan_all(activation)

    assert [row["lead_id"] for row in activation.rows(PLANNED)] == ["lead-1", "lead-2"]


def test_two_engines_share_a_backlog(activation: Activation, ledger: LaneLedger) -> None:
    for turn in range(4):
        activation.want_many(10 * turn + 1, turn=activation.turn + 1)

    def plan(engine: DeliveryEngine) -> int:
        planned = 0
        while engine.is_behind:
            planned += engine.run_once().planned
        return planned

    with (
        DeliveryEngine(activation.settings, FEW) as one,
        DeliveryEngine(activation.settings, FEW) as other,
        ThreadPoolExecutor(2) as both,
    ):
        planned = list(both.map(plan, (one, other)))

    # Each lead once, by the turn that changed it last.
    assert sum(planned) == 31
    assert {row["turn"] for row in activation.rows(PLANNED)} == {activation.turn}
    assert len(activation.rows()) == 31


def test_a_restored_ledger_gets_everything_planned_again(activation: Activation, ledger: LaneLedger) -> None:
    """PostgreSQL comes back from an older copy: its position is older as well."""
    activation.want(*leads("lead-1", "lead-2"))
    plan_all(activation)
    for table in ("deliveries", "planning_position"):
        activation.rows(f"delete from {table} returning 1")

    plan_all(activation)

    assert [row["lead_id"] for row in activation.rows(PLANNED)] == ["lead-1", "lead-2"]


def test_a_state_that_was_changed_again_before_it_was_planned_is_passed_over(
    activation: Activation, ledger: LaneLedger
) -> None:
    activation.client.command("system stop merges activation.lead_deliveries")
    activation.want(payload_of("lead-1", name="Ana"), payload_of("lead-2"))
    activation.want(payload_of("lead-3"))
    activation.want(payload_of("lead-1", name="Ana Maria"))
    activation.unwant("lead-2")

    with DeliveryEngine(activation.settings, replace(QUICK, planned_rows=1)) as engine:
        while engine.is_behind:
            engine.run_once()

    assert [row["lead_id"] for row in activation.rows(PLANNED)] == ["lead-1", "lead-3"]
    assert activation.rows()[0]["payload"]["name"] == "Ana Maria"


def test_no_turn_is_passed_over_while_the_table_is_missing(activation: Activation, ledger: LaneLedger) -> None:
    """dbt puts a new table in the old one's place; between the two there is none."""
    activation.want_many(10, turn=activation.turn + 1)
    with DeliveryEngine(activation.settings, FEW) as engine:
        engine.run_once()
        activation.client.command("drop table activation.lead_deliveries sync")
        assert engine.run_once().planned == 0
        assert engine.is_behind
        activation.client.command(LEAD_DELIVERIES)
        activation.want_many(10, turn=activation.turn)
        while engine.is_behind:
            engine.run_once()

    assert len(activation.rows()) == 10


@pytest.mark.parametrize("is_holder_dead", [pytest.param(True, id="holder dies"), pytest.param(False, id="put off")])
def test_what_was_under_way_when_its_lead_was_no_longer_wanted_is_not_tried_again(
    activation: Activation, ledger: LaneLedger, is_holder_dead: bool
) -> None:
    activation.want(payload_of("lead-1"))
    plan_all(activation)
    (claim,) = ledger.claim(1, lease_seconds=60)
    activation.unwant("lead-1")
    plan_all(activation)
    assert activation.states() == ["in_flight"]

    if is_holder_dead:
        activation.rows("update deliveries set lease_until = now() - interval '1 s' returning 1")
    else:
        ledger.put_off(claim, Unavailable("busy"), [], state="retry", delay_seconds=0)
        assert activation.states() == ["superseded"]

    assert ledger.claim(1, lease_seconds=60) == []
    ledger.set_aside_overtaken()
    assert activation.states() == ["superseded"]


def test_a_resync_leaves_leads_that_are_no_longer_wanted(activation: Activation, ledger: LaneLedger) -> None:
    activation.want(*leads("kept", "erased"))
    plan_all(activation)
    for claim in ledger.claim(2, lease_seconds=60):
        ledger.give_up(claim, Rejected("no", status=422), [], state="dead")
    activation.unwant("erased")
    plan_all(activation)

    assert resync(activation.settings, activation.tenant_id, is_dry_run=True) == {"dead": 1}

    activation.want(payload_of("erased"))
    plan_all(activation)
    assert resync(activation.settings, activation.tenant_id) == {"dead": 2}


def test_a_lead_that_is_wanted_again_as_it_was_is_not_sent_again(activation: Activation, ledger: LaneLedger) -> None:
    """A destination was switched off and on: its contacts are what they should be."""
    activation.want(payload_of("lead-1"))
    plan_all(activation)
    (claim,) = ledger.claim(1, lease_seconds=60)
    ledger.delivered(claim, "7", [])
    ledger.verified(claim, [])
    activation.unwant("lead-1")
    activation.want(payload_of("lead-1"))
    plan_all(activation)

    assert activation.rows("select state, is_wanted from deliveries") == [{"state": "verified", "is_wanted": True}]
    assert ledger.claim(1, lease_seconds=60) == []
