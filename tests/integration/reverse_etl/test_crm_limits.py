"""Limits of CRMs through the engine: a spent day is waited for, the limit of seconds is not run into."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from starlette.applications import Starlette

from echolead.demo.hubspot import HubSpotLimits
from echolead.demo.hubspot import create_app as create_hubspot
from echolead.demo.pipedrive import PipedriveLimits
from echolead.demo.pipedrive import create_app as create_pipedrive
from reverse_etl.engine import DeliveryEngine
from tests.fixtures.operational import make_destination
from tests.fixtures.served_app import served
from tests.integration.reverse_etl.conftest import Activation, payload_of
from tests.integration.reverse_etl.settings import QUICK

TOKEN = "crm-test-token"
LEADS = 20
Limits = HubSpotLimits | PipedriveLimits


def hubspot() -> tuple[Starlette, Any, dict[str, str]]:
    limits = HubSpotLimits()
    return create_hubspot(TOKEN, limits=limits), limits, {"access_token": TOKEN}


def pipedrive() -> tuple[Starlette, Any, dict[str, str]]:
    limits = PipedriveLimits()
    return create_pipedrive(TOKEN, limits=limits), limits, {"api_token": TOKEN}


PRODUCTS = [pytest.param("hubspot", hubspot, id="HubSpot"), pytest.param("pipedrive", pipedrive, id="Pipedrive")]


def spent(limits: Any) -> int:
    """A budget of the day that was used up a moment ago."""
    return int(limits.used_today if isinstance(limits, HubSpotLimits) else limits.tokens_used)


@pytest.mark.parametrize(("kind", "make"), PRODUCTS)
def test_a_spent_day_is_asked_after_once_and_kills_no_lead(
    activation: Activation, kind: str, make: Callable[[], tuple[Starlette, Any, dict[str, str]]]
) -> None:
    """A client that took the limit of the day for one of seconds called on until midnight, and was blocked."""
    activation.rows("update destinations set is_enabled = false returning 1")  # the Chatwoot of the other tests
    app, limits, secrets = make()
    with served(app) as url:
        configuration = {"base_url": url, "forms_url": url}
        destination = make_destination(
            activation.database, activation.tenant_id, kind=kind, configuration=configuration, secrets=secrets
        )
        with DeliveryEngine(activation.settings, QUICK) as engine:
            engine.run_once()  # the account is prepared
            limits.daily = spent(limits)
            activation.want(*(payload_of(f"lead-{number}") for number in range(LEADS)), destination=destination)
            for _ in range(5):
                engine.run_once()
            refused = limits.refused
            waiting = activation.rows("select state, next_attempt_at - now() as wait, attempts from deliveries")

        assert 1 <= refused <= 4  # calls that were under way together
        assert {row["state"] for row in waiting} <= {"pending", "retry"}
        assert {row["attempts"] for row in waiting} == {0}  # no try is used up
        assert all(row["wait"] > timedelta(minutes=30) for row in waiting if row["state"] == "retry")
        limits.daily = None
        activation.rows("update deliveries set next_attempt_at = now() where state = 'retry' returning 1")
        with DeliveryEngine(activation.settings, QUICK) as another:
            activation.settle(another)
    assert set(activation.states()) == {"verified"}
    assert limits.refused == refused


@pytest.mark.parametrize(("kind", "make"), PRODUCTS)
def test_the_limit_of_seconds_is_not_run_into(
    activation: Activation, kind: str, make: Callable[[], tuple[Starlette, Any, dict[str, str]]]
) -> None:
    activation.rows("update destinations set is_enabled = false returning 1")
    app, limits, secrets = make()
    limits.burst = 40
    with served(app) as url:
        configuration = {"base_url": url, "forms_url": url}
        destination = make_destination(
            activation.database, activation.tenant_id, kind=kind, configuration=configuration, secrets=secrets
        )
        activation.want(*(payload_of(f"lead-{number}") for number in range(LEADS)), destination=destination)
        with DeliveryEngine(activation.settings, QUICK) as engine:
            activation.settle(engine)
    assert set(activation.states()) == {"verified"}
    assert limits.refused <= 2  # the first answer tells what is left, and two calls may be under way by then
