"""Every product that keeps a record of each lead on its worst day. To add one, add it to `PRODUCTS`."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from echolead.operational.models import Destination
from tests.fixtures.operational import make_destination
from tests.integration.reverse_etl.conftest import Activation, payload_of
from tests.integration.reverse_etl.products import PRODUCTS, Served
from tests.integration.reverse_etl.settings import QUICK
from tests.integration.reverse_etl.worst_day import (
    FAULTS,
    LEADS,
    check_the_ledger,
    kill_engines,
    seeded,
    settle_by_two,
    switch_others_off,
)

STATES = 3
CHANNELS = ("Direct", "Email", "Paid Search")
CHAT = "https://chat.test/app/conversations/"
# A batch of a hundred leads is more than a slow machine gets through in the two seconds of a single one.
PATIENT = replace(QUICK, attempt_seconds=20.0, lease_seconds=30.0)


def state_of(number: int, version: int) -> dict[str, Any]:
    """The wanted state of a lead: it changes its name, its address and its channel."""
    lead_id = f"lead-{number}"
    return payload_of(
        lead_id,
        name=f"Ana{version}",
        email=f"{lead_id}.v{version // 2}@lead.test",
        attributes={"channel": CHANNELS[version % len(CHANNELS)], "conversation_url": f"{CHAT}{number}"},
        events=[{"event_id": f"event-{number}", "name": "lead", "at": "2026-03-01T12:00:00+00:00"}],
    )


def destination_of(activation: Activation, product: str, fake: Served) -> Destination:
    return make_destination(
        activation.database,
        activation.tenant_id,
        kind=product,
        name=f"{product} on its worst day",
        configuration=fake.configuration,
        secrets=fake.secrets,
    )


@pytest.mark.parametrize("product", PRODUCTS)
def test_each_lead_arrives_once_and_in_its_last_state(activation: Activation, product: str) -> None:
    """Leads change while calls fail, answers get lost, engines are killed, and two deliver at once."""
    moments, seed = seeded()
    switch_others_off(activation)
    with PRODUCTS[product]() as fake:
        destination = destination_of(activation, product, fake)
        fake.faults.replace([replace(fault, where=fake.faulty) for fault in FAULTS], seed)

        def want(version: int) -> None:
            fake.end_tokens()
            states = [state_of(number, min(version, STATES)) for number in range(LEADS)]
            activation.want(*states, destination=destination)

        kill_engines(activation, moments, STATES + 2, before=want)  # twice in the last state: somebody takes it over
        settle_by_two(activation, PATIENT)

        check_what_is_held(fake)
        struck = Counter(fake.faults.struck)
    newest = activation.rows("select distinct on (lead_id) state from deliveries order by lead_id, created_at desc")
    assert {row["state"] for row in newest} == {"verified"}
    check_the_ledger(activation, product, struck)


def check_what_is_held(fake: Served) -> None:
    """One record of each lead in its last state, and one of each companion."""
    last = {f"lead-{number}": state_of(number, STATES) for number in range(LEADS)}
    held = fake.held()
    assert held.keys() == last.keys()
    for lead_id, states in held.items():
        (state,) = states
        shown = {**last[lead_id], "channel": last[lead_id]["attributes"]["channel"]}
        assert state == {name: shown[name] for name in state}
    for kind, counted in fake.companions().items():
        assert set(counted.values()) == {1}, f"{kind}: twice"
        assert counted.keys() == last.keys() or (kind in fake.may_lack and counted.keys() < last.keys()), (
            f"{kind}: lost"
        )
