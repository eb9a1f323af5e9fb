"""The engine with RD Station: one lead's limit, tokens that outlive an engine, over HTTP, with a real ledger."""

import time
from collections.abc import Iterator

import pytest

from echolead.operational.models import Destination
from reverse_etl.engine import DeliveryEngine
from tests.fixtures.demo_rdstation import ServedRDStation, configuration, made_base, secrets, served_rdstation
from tests.fixtures.operational import make_destination
from tests.integration.reverse_etl.conftest import Activation, payload_of
from tests.integration.reverse_etl.settings import QUICK


@pytest.fixture
def rdstation() -> Iterator[ServedRDStation]:
    """An account in which setup has been run."""
    with served_rdstation(made_base()) as served:
        yield served


@pytest.fixture
def destination(activation: Activation, rdstation: ServedRDStation) -> Destination:
    """The tenant's only destination that is enabled."""
    activation.rows("update destinations set is_enabled = false returning 1")
    return make_destination(
        activation.database,
        activation.tenant_id,
        kind="rdstation",
        configuration=configuration(rdstation.url),
        secrets=secrets(),
    )


def test_a_lead_at_its_limit_waits_alone_and_the_others_arrive(
    activation: Activation, destination: Destination, rdstation: ServedRDStation
) -> None:
    """The 429 names one lead's address, and yet all leads of the account were held back."""
    rdstation.base.spend("patches", "lead-0@lead.test", rdstation.base.patches)
    activation.want(*(payload_of(f"lead-{number}") for number in range(20)), destination=destination)
    waits = "select 1 from deliveries where last_error_class = 'Postponed'"

    with DeliveryEngine(activation.settings, QUICK) as engine:
        deadline = time.monotonic() + 60
        while len(rdstation.base.contacts) < 19 or not activation.rows(waits):
            assert time.monotonic() < deadline, activation.states()
            engine.run_once()
        asked = len(rdstation.base.writes)
        activation.want(payload_of("lead-0", name="Ana Lima"), destination=destination)
        for _ in range(5):
            engine.run_once()

    assert asked == len(rdstation.base.writes) == 19
    (limited,) = activation.rows(
        "select state, tries, next_attempt_at - clock_timestamp() > interval '30 seconds' as is_late"
        " from deliveries where lead_id = 'lead-0' order by created_at desc limit 1"
    )
    assert (limited["state"], limited["tries"], limited["is_late"]) == ("retry", 0, True)
    assert len(activation.attempts(response_status=429)) == 1


def test_a_refresh_token_that_was_replaced_outlives_its_engine(
    activation: Activation, destination: Destination, rdstation: ServedRDStation
) -> None:
    for lead_id in ("lead-1", "lead-2", "lead-3"):
        rdstation.tokens.end()
        activation.want(payload_of(lead_id), destination=destination)
        with DeliveryEngine(activation.settings, QUICK) as engine:
            activation.settle(engine)

    assert len(rdstation.base.contacts) == 3
    told = str(activation.attempts()) + str(activation.rows())
    assert "demo-client-secret" not in told
    assert rdstation.tokens.refresh not in told
