"""A lead of a chat denies marketing: this is said where the lead is already, and nowhere else."""

from typing import Any

from reverse_etl.engine import DeliveryEngine
from tests.integration.reverse_etl.conftest import Activation, payload_of
from tests.integration.reverse_etl.settings import QUICK


def withdrawal_of(lead_id: str) -> dict[str, Any]:
    """What the warehouse wants of a lead that denies marketing and filled in no form."""
    denied: dict[str, Any] = {"marketing_consent": "denied"}
    labels = ["sem-consentimento-marketing"]
    return {**payload_of(lead_id, tracking_ids=[], attributes=denied, labels=labels), "withdrawal": True}


def test_a_withdrawal_takes_off_what_was_written_and_makes_no_contact(activation: Activation) -> None:
    """The visitor of the chat said no, and the CRM went on to show campaign and score to the sales team."""
    known = payload_of("lead-1", attributes={"channel": "Paid Search"}, labels=["canal-paid-search"])
    activation.want(known, withdrawal_of("lead-2"))
    with DeliveryEngine(activation.settings, QUICK) as engine:
        activation.settle(engine)
        activation.want(withdrawal_of("lead-1"))
        activation.settle(engine)

    (contact,) = activation.chatwoot.contacts()
    assert contact["identifier"] == "lead-1"
    assert "channel" not in contact["custom_attributes"]
    assert contact["custom_attributes"]["marketing_consent"] == "denied"
    newest = activation.rows("select lead_id, state, last_error from deliveries order by lead_id, created_at")
    assert [(row["lead_id"], row["state"]) for row in newest] == [
        ("lead-1", "verified"),
        ("lead-1", "verified"),
        ("lead-2", "withheld"),
    ]
    assert "nothing of it was sent here" in newest[-1]["last_error"]


def test_a_lead_that_was_withheld_is_delivered_once_it_allows_marketing(activation: Activation) -> None:
    activation.want(withdrawal_of("lead-1"))
    with DeliveryEngine(activation.settings, QUICK) as engine:
        activation.settle(engine)
        activation.want(withdrawal_of("lead-1") | {"name": "Ana"})
        activation.settle(engine)
        assert activation.chatwoot.contacts() == []
        activation.want(payload_of("lead-1"))
        activation.settle(engine)

    assert [contact["identifier"] for contact in activation.chatwoot.contacts()] == ["lead-1"]
