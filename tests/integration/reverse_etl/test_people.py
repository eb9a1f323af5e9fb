"""No two deliveries of one person are under way at a destination, and nothing is created twice."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from echolead.demo.chatwoot import Fault
from echolead.operational.database import connect
from reverse_etl.destinations.chatwoot import ChatwootContacts
from reverse_etl.engine import DeliveryEngine
from reverse_etl.errors import OutcomeUnknown, Postponed, Unavailable
from reverse_etl.lead import UNCONFIRMED, twin_kind
from reverse_etl.ledger import Claim, LaneLedger
from tests.fixtures.operational import make_destination
from tests.fixtures.resyncing import resync
from tests.integration.reverse_etl.conftest import Activation, payload_of
from tests.integration.reverse_etl.settings import QUICK


def plan(activation: Activation, *payloads: dict[str, object]) -> None:
    """Make these the wanted states, and plan them into the ledger."""
    activation.want(*payloads)
    with DeliveryEngine(activation.settings, QUICK) as planner:
        planner.run_once()


def names(claims: Sequence[Claim]) -> list[str]:
    return sorted(claim.lead.lead_id for claim in claims)


def lapse(activation: Activation) -> None:
    """The time of every lease is over."""
    activation.rows("update deliveries set lease_until = now() - interval '1 s' where lease_until > now() returning 1")


SAME_PERSON = [
    pytest.param({"email": "Ana@x.test"}, {"email": "ana@x.test "}, id="an e-mail in other letters"),
    pytest.param({"phone": "+5511987654321"}, {"phone": "+551187654321"}, id="a number without its ninth digit"),
    pytest.param({"tracking_ids": ["lead-1", "v"]}, {"tracking_ids": ["lead-2", "v"]}, id="a browser"),
    pytest.param({"tracking_ids": ["lead-1"]}, {"tracking_ids": ["lead-2", "lead-1"]}, id="a lead that became part"),
]


@pytest.mark.parametrize(("one", "other"), SAME_PERSON)
def test_of_two_leads_that_are_one_person_one_is_under_way(
    activation: Activation, ledger: LaneLedger, one: dict[str, object], other: dict[str, object]
) -> None:
    """A shop sent the same buyer twice at the same second, and the CRM had two contacts that nobody could join."""
    plan(activation, payload_of("lead-1", **one), payload_of("lead-2", **other), payload_of("lead-3"))

    person, stranger = sorted(ledger.claim(5, lease_seconds=60), key=lambda claim: claim.lead.lead_id)
    assert stranger.lead.lead_id == "lead-3"
    assert ledger.claim(5, lease_seconds=60) == []
    ledger.delivered(person, "7", [])
    assert ledger.claim(5, lease_seconds=60) == []
    ledger.verified(person, [])

    (second,) = ledger.claim(5, lease_seconds=60)
    assert {person.lead.lead_id, second.lead.lead_id} == {"lead-1", "lead-2"}


def test_two_claims_at_once_do_not_take_two_leads_of_one_person(activation: Activation, ledger: LaneLedger) -> None:
    plan(activation, *(payload_of(f"lead-{number}", email="ana@x.test") for number in range(8)))

    with ThreadPoolExecutor(4) as pool:
        claims = list(pool.map(lambda _: ledger.claim(5, lease_seconds=60), range(8)))

    assert sum(map(len, claims)) == 1


def test_the_same_person_at_another_destination_is_not_waited_for(activation: Activation, ledger: LaneLedger) -> None:
    other = make_destination(activation.database, activation.tenant_id, is_enabled=False)
    activation.want(payload_of("lead-1"), destination=other)
    plan(activation, payload_of("lead-1"))
    database = connect(activation.urls["postgres_deliveries_url"])

    at_other = LaneLedger(database, activation.tenant_id, other.destination_id).claim(5, lease_seconds=60)

    assert names(at_other) == names(ledger.claim(5, lease_seconds=60)) == ["lead-1"]
    database.dispose()


def test_two_engines_make_one_contact_of_leads_that_are_one_person(activation: Activation) -> None:
    """Forty visitors of one family PC left the same number: Chatwoot has no unique index on it, two creates succeed."""
    activation.chatwoot.faults.replace([Fault("latency", seconds=0.02)])
    activation.want(*(payload_of(f"lead-{number}", email="", phone="+5511987654321") for number in range(10)))
    with (
        DeliveryEngine(activation.settings, QUICK) as one,
        DeliveryEngine(activation.settings, QUICK) as other,
        ThreadPoolExecutor(2) as both,
    ):
        list(both.map(activation.settle, (one, other)))

    assert len(activation.chatwoot.contacts()) == 1


# Unknown outcomes


def test_after_an_unknown_creation_nothing_is_done_for_the_person_before_it_must_show(
    activation: Activation, ledger: LaneLedger
) -> None:
    """The index of a CRM's search runs behind its store: a look-up one second later found nothing, so a second record
    was made. Neither the same state, nor a newer one, nor another lead of the same person may be sent before.
    """
    plan(activation, payload_of("lead-1", email="ana@x.test"))
    (claim,) = ledger.claim(5, lease_seconds=60)
    ledger.put_off(claim, OutcomeUnknown("time-out"), [], state="retry", delay_seconds=0, hold_seconds=30)
    plan(activation, payload_of("lead-1", email="ana@x.test", name="Ana Maria"))
    plan(activation, payload_of("lead-2", email="ana@x.test"))

    assert ledger.claim(5, lease_seconds=60) == []
    lapse(activation)
    (first,) = ledger.claim(1, lease_seconds=60)
    assert first.lead.lead_id in ("lead-1", "lead-2")


def test_the_settle_time_is_that_of_the_product(activation: Activation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChatwootContacts, "traits", replace(ChatwootContacts.traits, settle_seconds=40.0))
    activation.chatwoot.faults.replace([Fault("cut_after", where="POST .*/contacts$", times=1)])
    activation.want(payload_of("lead-1"))
    with DeliveryEngine(activation.settings, QUICK) as engine:
        engine.run_once()
        activation.wait_until("select from deliveries where state = 'retry'")
        (row,) = activation.rows(
            "select lease_until - updated_at > interval '39 s' as is_held, "
            "next_attempt_at - updated_at > interval '39 s' as is_later, state from deliveries"
        )

    assert row == {"is_held": True, "is_later": True, "state": "retry"}


def test_what_a_dead_holder_may_have_created_has_its_settle_time_too(
    activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease outlasts the last moment of a creation by the settle time, so whoever takes over finds the record."""
    monkeypatch.setattr(ChatwootContacts, "traits", replace(ChatwootContacts.traits, settle_seconds=40.0))
    activation.chatwoot.faults.replace([Fault("hang_before", where="POST .*/contacts$", seconds=60)])
    activation.want(payload_of("lead-1"))
    with DeliveryEngine(activation.settings, replace(QUICK, patience_seconds=0.0)) as engine:
        engine.run_once()
        activation.wait_until("select from deliveries where state = 'in_flight'")
        held = "select lease_until - updated_at > make_interval(secs => :seconds) as is_so from deliveries"
        assert activation.rows(held, seconds=QUICK.attempt_seconds + 39.0) == [{"is_so": True}]
        activation.chatwoot.faults.replace([])


@pytest.mark.parametrize("is_wanted_again", [False, True])
def test_neither_a_resync_nor_planning_shortens_the_settle_time(
    activation: Activation, ledger: LaneLedger, is_wanted_again: bool
) -> None:
    plan(activation, payload_of("lead-1"))
    (claim,) = ledger.claim(5, lease_seconds=60)
    ledger.give_up(claim, OutcomeUnknown("time-out"), [], state="dead", hold_seconds=30)
    if is_wanted_again:  # another state was wanted in between, so the row gets its place back
        plan(activation, payload_of("lead-1", name="Ana Maria"))
        plan(activation, payload_of("lead-1"))
    else:
        resync(activation.settings, activation.tenant_id)
    assert activation.rows("select from deliveries where state = 'pending'")

    assert ledger.claim(5, lease_seconds=60) == []


# Tries


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        pytest.param(Unavailable("503"), 0, id="the destination is down"),
        pytest.param(Postponed("24 a day", is_limit=True), 0, id="a limit of this lead"),
        pytest.param(Postponed("row lock"), 1, id="a row lock"),
        pytest.param(OutcomeUnknown("502"), 1, id="an unknown outcome"),
    ],
)
def test_only_failures_of_its_own_use_up_a_deliverys_tries(
    activation: Activation, ledger: LaneLedger, error: Unavailable, tries: int
) -> None:
    """A token expired over Carnival: four days later the first answer was a time-out, and every lead was given up."""
    plan(activation, payload_of("lead-1"))
    for _ in range(3):
        (claim,) = ledger.claim(5, lease_seconds=60)
        ledger.put_off(claim, error, [], state="retry", delay_seconds=0)

    (claim,) = ledger.claim(5, lease_seconds=60)

    assert (claim.attempt, claim.tries, claim.failed_with) == (4, 3 * tries, type(error).__name__)


def test_a_destination_that_is_down_for_long_costs_no_lead_its_life(activation: Activation) -> None:
    """The first failure of its own comes after more attempts than a delivery has tries."""
    few = replace(QUICK, max_attempts=2, breaker_threshold=1000)
    activation.chatwoot.faults.replace(
        [
            Fault("status", where="/contacts", times=8, status=503),
            Fault("status", where="POST .*/contacts$", times=1, status=500),
        ]
    )
    activation.want(payload_of("lead-1"))
    with DeliveryEngine(activation.settings, few) as engine:
        activation.settle(engine)

    (row,) = activation.rows()
    assert (row["state"], row["tries"]) == ("verified", 1)
    assert row["attempts"] > few.max_attempts


# Leads that became part of another


def test_a_lead_that_another_with_a_record_became_part_of_is_told_of_the_twin(
    activation: Activation, ledger: LaneLedger
) -> None:
    plan(activation, payload_of("lead-1", tracking_ids=["lead-1"]), payload_of("lead-2", tracking_ids=["lead-2"]))
    for claim in ledger.claim(5, lease_seconds=60):
        ledger.delivered(claim, f"contact of {claim.lead.lead_id}", [])
        ledger.remember(claim, "event:form", "sent")
        ledger.remember(claim, "deal", f"deal of {claim.lead.lead_id}")
        ledger.verified(claim, [])
    activation.unwant("lead-2")
    plan(activation, payload_of("lead-1", tracking_ids=["lead-1", "lead-2"], name="Ana Maria"))

    (claim,) = ledger.claim(5, lease_seconds=60)

    assert claim.history.records == {"contact": "contact of lead-1", "event:form": "sent", "deal": "deal of lead-1"}
    assert claim.history.twins == {"contact": ("contact of lead-2",), "deal": ("deal of lead-2",)}


def test_a_lead_that_was_sent_without_an_answer_before_it_became_part_of_another_is_looked_for_once(
    activation: Activation, ledger: LaneLedger
) -> None:
    """An engine died while it made the contact of the phone's visitor, who then signed in on the laptop."""
    plan(activation, payload_of("lead-1", tracking_ids=["lead-1"]), payload_of("lead-2", tracking_ids=["lead-2"]))
    for claim in ledger.claim(5, lease_seconds=60):
        if claim.lead.lead_id == "lead-1":
            ledger.delivered(claim, "contact of lead-1", [])
            ledger.verified(claim, [])
    lapse(activation)
    activation.unwant("lead-2")
    plan(activation, payload_of("lead-1", tracking_ids=["lead-1", "lead-2"], name="Ana Maria"))
    (claim,) = ledger.claim(5, lease_seconds=60)
    assert (claim.history.unconfirmed, claim.history.twins) == (("lead-2",), {})

    ledger.remember(claim, twin_kind(UNCONFIRMED, "lead-2"), "lead-2")
    ledger.verified(claim, [])
    plan(activation, payload_of("lead-1", tracking_ids=["lead-1", "lead-2"], name="Ana Lima"))

    (claim,) = ledger.claim(5, lease_seconds=60)
    assert (claim.history.unconfirmed, claim.history.twins) == ((), {})


def test_a_twin_that_was_settled_is_left_out_from_then_on(activation: Activation, ledger: LaneLedger) -> None:
    plan(activation, payload_of("lead-1", tracking_ids=["lead-1"]), payload_of("lead-2", tracking_ids=["lead-2"]))
    for claim in ledger.claim(5, lease_seconds=60):
        ledger.delivered(claim, claim.lead.lead_id, [])
        ledger.verified(claim, [])
    together = {"tracking_ids": ["lead-1", "lead-2"]}
    plan(activation, payload_of("lead-1", **together, name="Ana Maria"))
    (claim,) = ledger.claim(5, lease_seconds=60)
    assert claim.history.twins == {"contact": ("lead-2",)}
    ledger.remember(claim, twin_kind("contact", "lead-2"), "lead-2")
    ledger.verified(claim, [])

    plan(activation, payload_of("lead-1", **together, name="Ana Lima"))
    (claim,) = ledger.claim(5, lease_seconds=60)

    assert (claim.history.records, claim.history.twins) == ({"contact": "lead-1"}, {})


def test_a_lead_whose_only_record_is_that_of_another_is_not_new(activation: Activation, ledger: LaneLedger) -> None:
    plan(activation, payload_of("lead-2"))
    (claim,) = ledger.claim(5, lease_seconds=60)
    ledger.delivered(claim, "7", [])
    ledger.verified(claim, [])

    plan(activation, payload_of("lead-1", tracking_ids=["lead-1", "lead-2"]))

    (claim,) = ledger.claim(5, lease_seconds=60)
    assert (claim.history.remote_id, claim.history.twins) == ("7", {})
    assert activation.rows("select is_new from deliveries where lead_id = 'lead-1'") == [{"is_new": False}]


@pytest.mark.parametrize("is_gone", [pytest.param(False, id="there"), pytest.param(True, id="deleted by an agent")])
def test_two_contacts_of_leads_that_became_one_are_merged_once(activation: Activation, is_gone: bool) -> None:
    """The phone and the laptop of one visitor were two leads until they signed in: two contacts with a half each."""
    activation.want(
        payload_of("lead-1", tracking_ids=["lead-1"], email="ana@x.test"),
        payload_of("lead-2", tracking_ids=["lead-2"], email="", phone="+5511987654321"),
    )
    with DeliveryEngine(activation.settings, QUICK) as engine:
        activation.settle(engine)
        first, second = sorted(activation.chatwoot.contacts(), key=lambda contact: contact["identifier"])
        if is_gone:
            activation.chatwoot.ask("DELETE", f"contacts/{second['id']}")
        activation.unwant("lead-2")
        for name in ("Ana Souza", "Ana Lima"):
            together = {"tracking_ids": ["lead-1", "lead-2"], "email": "ana@x.test", "phone": "+5511987654321"}
            activation.want(payload_of("lead-1", name=name, **together))
            activation.settle(engine)

    (contact,) = activation.chatwoot.contacts()
    assert (contact["id"], contact["email"], contact["phone_number"]) == (first["id"], "ana@x.test", "+5511987654321")
    assert contact["name"] == "Ana Lima"
    assert len(activation.attempts(operation="merge contacts")) == 1


def test_on_a_bad_day_people_who_become_one_meanwhile_are_one_contact_each(activation: Activation) -> None:
    """Two engines, three calls in ten failing in every way, and half of the leads turn out to be the other half."""
    activation.chatwoot.faults.replace(
        [
            Fault("status", chance=0.06, status=500),
            Fault("status", chance=0.05, status=429, retry_after="0"),
            Fault("status_after", chance=0.08, status=502),
            Fault("cut_before", chance=0.05),
            Fault("cut_after", chance=0.08),
        ],
        20260301,
    )
    people = range(6)
    browsers = {person: [f"lead-{person}", f"other-{person}"] for person in people}
    phones = {person: f"+55119{90000000 + person}" for person in people}
    with (
        DeliveryEngine(activation.settings, QUICK) as one,
        DeliveryEngine(activation.settings, QUICK) as other,
        ThreadPoolExecutor(2) as both,
    ):
        activation.want(
            *(payload_of(ids[0], tracking_ids=ids[:1]) for ids in browsers.values()),
            *(payload_of(ids[1], tracking_ids=ids[1:], email="", phone=phones[n]) for n, ids in browsers.items()),
        )
        for engine in (one, other, one):
            engine.run_once()
        activation.unwant(*(ids[1] for ids in browsers.values()))
        activation.want(
            *(payload_of(ids[0], tracking_ids=ids, phone=phones[n], name="Ana Lima") for n, ids in browsers.items())
        )
        list(both.map(activation.settle, (one, other)))

    found = {contact["email"]: (contact["phone_number"], contact["name"]) for contact in activation.chatwoot.contacts()}
    assert found == {f"lead-{person}@lead.test": (phones[person], "Ana Lima") for person in people}
    assert len(activation.chatwoot.contacts()) == len(people)
    assert sum(activation.chatwoot.faults.struck.values()) > 10
