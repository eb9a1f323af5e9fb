"""Lanes: which are opened, what idle ones cost, how they keep to limits, and how changes are put together."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine as Database
from sqlalchemy import event

from echolead.operational.models import Destination
from reverse_etl.destination import Order, Outcomes
from reverse_etl.destinations import KINDS
from reverse_etl.engine import DeliveryEngine
from reverse_etl.lane import Lane
from tests.fixtures.limited_product import LimitedLeads, LimitedServer, served
from tests.fixtures.operational import make_destination, make_tenant
from tests.integration.reverse_etl.conftest import Activation, payload_of
from tests.integration.reverse_etl.settings import QUICK

BY_TRAITS = replace(QUICK, requests_per_second=None)
"""At the pace of the product and of the destination's settings."""


@pytest.fixture
def server() -> Iterator[LimitedServer]:
    """A product's server without limits, which a test sets."""
    with served(LimitedServer()) as running:
        yield running


@pytest.fixture
def limited(activation: Activation, server: LimitedServer, monkeypatch: pytest.MonkeyPatch) -> Destination:
    """The tenant's only destination: 1,000 calls a second unless a test says less."""
    monkeypatch.setitem(KINDS, "limited", LimitedLeads)
    activation.rows("update destinations set is_enabled = false returning 1")
    return limited_destination(activation, server)


def limited_destination(activation: Activation, server: LimitedServer, **configuration: object) -> Destination:
    return make_destination(
        activation.database,
        activation.tenant_id,
        kind="limited",
        configuration={"base_url": server.url, "requests_per_second": 1000, **configuration},
    )


def limited_settings(activation: Activation, **settings: object) -> None:
    """Other settings of the limited destination."""
    activation.rows(
        "update destinations set configuration = configuration || cast(:settings as jsonb) "
        "where kind = 'limited' returning 1",
        settings=json.dumps(settings),
    )


def names(server: LimitedServer) -> list[str]:
    return [lead["lead_id"] for lead in server.taken]


def known(activation: Activation, destination: Destination, *lead_ids: str) -> None:
    """The destination has these leads already."""
    for lead_id in lead_ids:
        activation.rows(
            "insert into destination_records (tenant_id, destination_id, lead_id, remote_kind, remote_id) "
            "values (:t, :d, :lead_id, 'contact', 'r') returning 1",
            t=activation.tenant_id,
            d=destination.destination_id,
            lead_id=lead_id,
        )


# What idle lanes cost


def test_a_turn_asks_the_ledger_as_often_with_many_idle_lanes_as_with_none(activation: Activation) -> None:
    statements: list[str] = []

    @event.listens_for(Database, "before_cursor_execute")
    def count(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    try:
        asked = []
        with DeliveryEngine(activation.settings, QUICK) as engine:
            for _ in range(2):
                engine.run_once()
                statements.clear()
                engine.run_once()
                asked.append(len(statements))
                for _ in range(30):
                    make_destination(activation.database, make_tenant(activation.database).tenant_id)
        assert asked[0] == asked[1]
    finally:
        event.remove(Database, "before_cursor_execute", count)


def test_a_lane_without_work_rests_and_works_again(
    activation: Activation, limited: Destination, server: LimitedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests = []
    rest = Lane.rest

    async def noted(lane: Lane) -> None:
        rests.append(lane.name)
        await rest(lane)

    monkeypatch.setattr(Lane, "rest", noted)
    with DeliveryEngine(activation.settings, replace(QUICK, idle_seconds=0.0)) as engine:
        for number in range(2):
            activation.want(payload_of(f"lead-{number}"), destination=limited)
            activation.settle(engine)
            engine.run_once()
        engine.run_once()

    assert names(server) == ["lead-0", "lead-1"]
    assert len(rests) == 2


def test_a_changed_setting_is_followed_and_a_disabled_destination_takes_no_more(
    activation: Activation, limited: Destination, server: LimitedServer
) -> None:
    with served(LimitedServer()) as moved, DeliveryEngine(activation.settings, QUICK) as engine:
        activation.want(payload_of("lead-1"), destination=limited)
        activation.settle(engine)
        limited_settings(activation, base_url=moved.url)
        activation.want(payload_of("lead-2"), destination=limited)
        activation.settle(engine)
        activation.rows("update destinations set is_enabled = false returning 1")
        activation.want(payload_of("lead-3"), destination=limited)
        for _ in range(3):
            engine.run_once()

    assert (names(server), names(moved)) == (["lead-1"], ["lead-2"])
    assert activation.states() == ["delivered", "delivered", "pending"]


def test_a_tenant_that_was_switched_off_amid_its_work_and_on_again_is_served(
    activation: Activation, limited: Destination, server: LimitedServer
) -> None:
    server.is_down = True
    activation.want(payload_of("lead-1"), destination=limited)
    with DeliveryEngine(activation.settings, replace(QUICK, patience_seconds=0.0)) as engine:
        engine.run_once()
        activation.rows("update tenants set is_active = false returning 1")
        for _ in range(3):
            engine.run_once()
        activation.rows("update tenants set is_active = true returning 1")
        server.is_down = False
        activation.settle(engine)

    assert names(server) == ["lead-1"]


# Limits


@pytest.mark.parametrize("states_window", [True, False], ids=["limits in headers", "limits in settings alone"])
def test_a_limit_is_used_and_never_met(
    activation: Activation, server: LimitedServer, limited: Destination, states_window: bool
) -> None:
    """An app that answered each 429 by trying again was blocked by its vendor for a day."""
    server.calls, server.seconds, server.states_window = 20, 0.5, states_window
    # A little below what the server takes: on a busy machine calls that left apart arrive together.
    limited_settings(activation, requests_per_second=34)
    activation.want(*(payload_of(f"lead-{number}") for number in range(100)), destination=limited)
    with DeliveryEngine(activation.settings, BY_TRAITS) as engine:
        activation.settle(engine)

    assert len(server.taken) == 100
    assert server.refused_at == []


def test_two_engines_share_a_limit_that_the_headers_state(
    activation: Activation, server: LimitedServer, limited: Destination
) -> None:
    server.calls, server.seconds = 20, 0.5
    activation.want(*(payload_of(f"lead-{number}") for number in range(100)), destination=limited)
    with DeliveryEngine(activation.settings, BY_TRAITS) as one, DeliveryEngine(activation.settings, BY_TRAITS) as other:
        one.run_once()
        activation.settle(other)

    assert sorted(names(server)) == sorted(f"lead-{number}" for number in range(100))
    # Each may overlook what the other has under way at the end of a window, and then waits as long as it is told.
    assert len(server.refused_at) < 30


def test_when_the_day_is_short_new_leads_go_and_changes_wait(
    activation: Activation, server: LimitedServer, limited: Destination
) -> None:
    """A re-sync of old leads used up the day's calls by ten, and the evening campaign's leads came a day late."""
    server.day_limit, server.day_left = 100, 14
    known(activation, limited, *(f"old-{number}" for number in range(20)))
    activation.want(*(payload_of(f"old-{number}") for number in range(20)), destination=limited)
    limited_settings(activation, concurrency=1)
    with DeliveryEngine(activation.settings, QUICK) as engine:
        engine.run_once()
        assert len(server.taken) == 4
        activation.want(payload_of("new-1"), payload_of("new-2"), destination=limited)
        engine.run_once()
        activation.wait_until("select from deliveries where lead_id = 'new-2' and state = 'delivered'")
        engine.run_once()

        assert sorted(names(server)[4:]) == ["new-1", "new-2"]
    assert activation.rows("select count(*) from deliveries where state = 'pending'") == [{"count": 16}]


def test_a_spent_day_is_left_alone_until_it_ends_and_no_delivery_dies_of_it(
    activation: Activation, server: LimitedServer, limited: Destination
) -> None:
    server.day_limit, server.day_left = 100, 3
    limited_settings(activation, daily_reserve_percent=0, concurrency=1)
    activation.want(*(payload_of(f"lead-{number}") for number in range(10)), destination=limited)
    with DeliveryEngine(activation.settings, QUICK) as engine:
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            engine.run_once()

    assert len(server.taken) == 3
    assert server.refused_at == []
    assert {row["tries"] for row in activation.rows()} == {0}
    kept = "select calls_left, calls_limit, resets_at > now() as is_ahead from destination_quotas"
    assert activation.rows(kept) == [{"calls_left": 0, "calls_limit": 100, "is_ahead": True}]


def test_a_spent_day_is_asked_after_by_one_call(
    activation: Activation, server: LimitedServer, limited: Destination
) -> None:
    """The engine was restarted and does not know yet."""
    server.day_left = 0
    limited_settings(activation, concurrency=1)
    activation.want(*(payload_of(f"lead-{number}") for number in range(10)), destination=limited)
    with DeliveryEngine(activation.settings, QUICK) as engine:
        for _ in range(5):
            engine.run_once()

    assert len(server.refused_at) == 1


def test_a_limit_of_one_lead_holds_up_no_other_and_uses_up_no_try(
    activation: Activation, server: LimitedServer, limited: Destination
) -> None:
    """A lead that changed thirty times a day was refused, and two hundred others waited with it for 12 hours."""
    server.chatty_lead = "lead-0"
    activation.want(*(payload_of(f"lead-{number}") for number in range(20)), destination=limited)
    waits = "select *, extract(epoch from next_attempt_at - updated_at) as s from deliveries where lead_id = 'lead-0'"
    with DeliveryEngine(activation.settings, replace(QUICK, max_attempts=2)) as engine:
        engine.run_once()
        activation.wait_until("select from deliveries where state = 'delivered' having count(*) = 19")
        activation.wait_until("select from deliveries where state = 'retry'")
        first = activation.rows(waits)[0]
        activation.rows("update deliveries set next_attempt_at = now() where state = 'retry' returning 1")
        engine.run_once()
        activation.wait_until("select from deliveries where state = 'retry' and attempts = 2")
        second = activation.rows(waits)[0]

    assert (first["state"], first["tries"], second["state"], second["tries"]) == ("retry", 0, "retry", 0)
    # As long as the product says; then, as it was not the end of the limit, a handful of probes a day.
    assert 42 < first["s"] < 60
    assert second["s"] > 600


def test_what_must_not_be_sent_is_withheld_with_its_reason_until_the_lead_changes(
    activation: Activation, server: LimitedServer, limited: Destination
) -> None:
    activation.want(payload_of("lead-1", consent={"ads": "denied"}), payload_of("lead-2"), destination=limited)
    with DeliveryEngine(activation.settings, QUICK) as engine:
        assert activation.settle(engine).withheld == 1
        assert engine.run_once().is_empty
        (row,) = activation.rows("select * from deliveries where lead_id = 'lead-1'")
        assert (row["state"], row["last_error"]) == ("withheld", "No consent to ads.")
        activation.want(payload_of("lead-1", consent={"ads": "granted"}), destination=limited)
        activation.settle(engine)

    assert names(server) == ["lead-2", "lead-1"]


def test_each_attempt_names_what_consent_keeps_back(
    activation: Activation, server: LimitedServer, limited: Destination
) -> None:
    activation.want(payload_of("lead-1", withheld=["clicks", "cookies"]), payload_of("lead-2"), destination=limited)
    with DeliveryEngine(activation.settings, QUICK) as engine:
        activation.settle(engine)

    assert [row["response"] for row in activation.attempts(outcome="withheld")] == [
        "Consent keeps back: clicks, cookies."
    ]


def test_an_answer_that_does_not_name_the_lead_delivered_nothing_yet(
    activation: Activation, server: LimitedServer, limited: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch was answered 200 with empty results: 15,000 conversions were booked as sent and were nowhere."""
    deliver = LimitedLeads.deliver
    answers = iter([True])

    async def unnamed(product: LimitedLeads, orders: Sequence[Order]) -> Outcomes:
        outcomes = await deliver(product, orders)
        return {} if next(answers, False) else outcomes

    monkeypatch.setattr(LimitedLeads, "deliver", unnamed)
    activation.want(payload_of("lead-1"), destination=limited)
    with DeliveryEngine(activation.settings, QUICK) as engine:
        turn = activation.settle(engine)

    assert (turn.delivered, turn.retried) == (1, 1)
    assert names(server) == ["lead-1", "lead-1"]


# Changes that come together


def test_three_changes_of_a_lead_are_one_update_and_a_new_lead_does_not_wait(
    activation: Activation, server: LimitedServer, limited: Destination
) -> None:
    """A visitor who fills in three steps of a form is written once, not three times."""
    known(activation, limited, "known")
    window = replace(QUICK, coalesce_seconds=3600.0)
    with DeliveryEngine(activation.settings, window) as engine:
        for name in ("Ana", "Ana M.", "Ana Maria"):
            activation.want(payload_of("known", name=name), destination=limited)
            engine.run_once()
        activation.want(payload_of("new"), destination=limited)
        engine.run_once()
        activation.wait_until("select from deliveries where lead_id = 'new' and state = 'delivered'")
        assert names(server) == ["new"]
        activation.rows("update deliveries set next_attempt_at = now() where state = 'pending' returning 1")
        activation.settle(engine)

    assert [(lead["lead_id"], lead["name"]) for lead in server.taken[1:]] == [("known", "Ana Maria")]


def test_a_lead_that_changes_all_the_time_is_sent_in_the_first_changes_time(
    activation: Activation, limited: Destination
) -> None:
    known(activation, limited, "known")
    window = replace(QUICK, coalesce_seconds=60.0)
    due = []
    with DeliveryEngine(activation.settings, window) as engine:
        for number in range(3):
            activation.want(payload_of("known", name=f"Ana {number}"), destination=limited)
            engine.run_once()
            due += activation.rows("select next_attempt_at from deliveries where state = 'pending'")

    assert due == [due[0]] * 3
