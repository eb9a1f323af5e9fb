"""The engine from the warehouse to the contacts, over HTTP, with a real ledger."""

from reverse_etl.engine import Deliveries, Engine
from tests.integration.reverse_etl.conftest import Activation, payload_of


def test_a_wanted_lead_becomes_a_contact_with_its_origin_and_is_verified(
    activation: Activation, engine: Engine
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
