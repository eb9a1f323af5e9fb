"""The engine with Salesforce: what the verdict on a row makes of a delivery, over HTTP, with a real ledger."""

from collections.abc import Iterator
from typing import Any

import pytest

from echolead.demo.salesforce import RowFault
from echolead.operational.models import Destination
from reverse_etl.engine import DeliveryEngine
from tests.fixtures.demo_salesforce import ServedSalesforce, configuration, made_org, secrets, served_salesforce
from tests.fixtures.operational import make_destination
from tests.fixtures.resyncing import resync
from tests.integration.reverse_etl.conftest import Activation, payload_of
from tests.integration.reverse_etl.settings import QUICK


@pytest.fixture
def salesforce() -> Iterator[ServedSalesforce]:
    """An org in which setup has been run."""
    with served_salesforce(made_org()) as served:
        yield served


@pytest.fixture
def destination(activation: Activation, salesforce: ServedSalesforce) -> Destination:
    """The tenant's only destination that is enabled."""
    activation.rows("update destinations set is_enabled = false returning 1")
    return make_destination(
        activation.database,
        activation.tenant_id,
        kind="salesforce",
        configuration=configuration(salesforce.url),
        secrets=secrets(),
    )


def ledger_of(activation: Activation) -> dict[str, Any]:
    return {row["lead_id"]: row for row in activation.rows()}


def test_locked_rows_wait_refused_ones_end_and_the_rest_is_done(
    activation: Activation, destination: Destination, salesforce: ServedSalesforce
) -> None:
    """A row's lock, a tenant's own rule and a package's trigger come in one answer of 200 and mean three things."""
    salesforce.org.row_faults += [
        RowFault("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access", where="lead-2", times=2),
        RowFault("FIELD_CUSTOM_VALIDATION_EXCEPTION", "CPF obrigatório", ("CPF__c",), where="lead-3"),
        RowFault("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "pkg.Trigger: BeforeInsert", where="lead-4", times=1),
    ]
    activation.want(*(payload_of(f"lead-{number}") for number in (1, 2, 3, 4)), destination=destination)

    with DeliveryEngine(activation.settings, QUICK) as engine:
        activation.settle(engine)
        calls = salesforce.org.calls
        for _ in range(10):
            engine.run_once()
        assert salesforce.org.calls == calls  # the refused lead is not sent again as long as nothing changes

    rows = ledger_of(activation)
    assert {lead: row["state"] for lead, row in rows.items()} == {
        "lead-1": "verified", "lead-2": "verified", "lead-3": "dead", "lead-4": "verified",
    }  # fmt: skip
    assert rows["lead-1"]["attempts"] == 1
    assert rows["lead-3"]["attempts"] == 1
    assert "CPF obrigatório" in rows["lead-3"]["last_error"]
    refused = {row["delivery_id"] for row in activation.attempts() if "CPF" in str(row["response"])}
    assert refused == {rows["lead-3"]["delivery_id"]}
    assert sorted(lead for _, lead, _ in salesforce.org.writes) == sorted(x["Id"] for x in salesforce.org.present())

    salesforce.org.row_faults.clear()  # the tenant drops the rule
    assert resync(activation.settings, activation.tenant_id, error_class="Rejected") == {"dead": 1}
    with DeliveryEngine(activation.settings, QUICK) as engine:
        activation.settle(engine)
    assert len(salesforce.org.writes) == len(salesforce.org.present()) == 4
    assert ledger_of(activation)["lead-3"]["state"] == "verified"


def test_a_spent_day_stops_the_calls_and_costs_no_lead(
    activation: Activation, destination: Destination, salesforce: ServedSalesforce
) -> None:
    salesforce.org.calls = salesforce.org.daily_calls - 1
    activation.want(*(payload_of(f"lead-{number}") for number in range(5)), destination=destination)

    with DeliveryEngine(activation.settings, QUICK) as engine:
        for _ in range(5):
            engine.run_once()
    assert salesforce.org.present() == []
    assert {row["state"] for row in activation.rows()} <= {"pending", "retry"}

    salesforce.org.calls = 0
    activation.rows("update deliveries set next_attempt_at = clock_timestamp() returning 1")
    with DeliveryEngine(activation.settings, QUICK) as engine:
        activation.settle(engine)
    assert len(salesforce.org.present()) == 5
    assert {row["state"] for row in activation.rows()} == {"verified"}


def test_an_unwritable_field_leaves_the_lead_verified_and_is_not_tried_at_each_turn(
    activation: Activation, destination: Destination, salesforce: ServedSalesforce
) -> None:
    salesforce.org.fields["EchoLead_Source__c"].is_locked = True
    activation.want(payload_of("lead-1"), destination=destination)

    with DeliveryEngine(activation.settings, QUICK) as engine:
        activation.settle(engine)
        calls = salesforce.org.calls
        engine.run_once()
        assert salesforce.org.calls == calls

    assert activation.states() == ["verified"]
    assert "not writable for this user: EchoLead_Source__c" in str(activation.attempts(outcome="conflict"))


def test_no_token_or_secret_is_recorded(
    activation: Activation, destination: Destination, salesforce: ServedSalesforce
) -> None:
    activation.want(payload_of("lead-1"), destination=destination)
    with DeliveryEngine(activation.settings, QUICK) as engine:
        activation.settle(engine)

    told = str(activation.attempts()) + str(activation.rows())
    assert "demo-client-secret" not in told
    assert "00D000000000001!" not in told
