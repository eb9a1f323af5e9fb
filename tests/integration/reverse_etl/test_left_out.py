"""Mapped fields that a destination does not take are kept, so that the health page can show them."""

from collections.abc import Iterator
from contextlib import contextmanager

from echolead.demo.hubspot import HubSpotStore, create_app
from echolead.operational.models import Destination
from reverse_etl.engine import DeliveryEngine
from tests.fixtures.operational import make_destination
from tests.fixtures.served_app import served
from tests.integration.reverse_etl.conftest import Activation, payload_of
from tests.integration.reverse_etl.settings import QUICK

TOKEN = "crm-test-token"
MAPPING = "contact:\n  own_city: attributes.city\n  own_score: attributes.score\n"


@contextmanager
def hubspot_with_mapping(activation: Activation, store: HubSpotStore) -> Iterator[Destination]:
    """A destination whose mapping names two properties of the account's own."""
    activation.rows("update destinations set is_enabled = false returning 1")  # the Chatwoot of the other tests
    with served(create_app(TOKEN, store=store)) as url:
        yield make_destination(
            activation.database,
            activation.tenant_id,
            kind="hubspot",
            configuration={"base_url": url, "mapping": MAPPING},
            secrets={"access_token": TOKEN},
        )


def left_out(activation: Activation) -> dict[str, str]:
    """Field and reason, as the engine keeps them."""
    found = activation.rows("select left_out from destination_fields")
    return {each["field"]: each["reason"] for row in found for each in row["left_out"]}


def test_a_field_that_is_not_there_or_not_writable_is_kept_until_it_is_mended(activation: Activation) -> None:
    """An administrator took the right to a field away, and for weeks every lead arrived without its score."""
    store = HubSpotStore()
    for name in ("own_city", "own_score"):
        definition = {"name": name, "label": name, "type": "string", "fieldType": "text", "groupName": "information"}
        store.definitions.add_property("contacts", definition)
    city, score = (store.definitions.properties["contacts"][name] for name in ("own_city", "own_score"))
    score["modificationMetadata"]["readOnlyValue"] = True
    del store.definitions.properties["contacts"]["own_city"]
    with hubspot_with_mapping(activation, store) as destination:
        activation.want(payload_of("lead-1"), destination=destination)
        with DeliveryEngine(activation.settings, QUICK) as engine:
            activation.settle(engine)
        found = left_out(activation)
        assert set(found) == {"contact own_city", "contact own_score"}
        assert "no such property" in found["contact own_city"]
        assert "not writable" in found["contact own_score"]
        assert activation.states() == ["verified"]

        score["modificationMetadata"]["readOnlyValue"] = False
        store.definitions.properties["contacts"]["own_city"] = city
        activation.want(payload_of("lead-2"), destination=destination)
        with DeliveryEngine(activation.settings, QUICK) as another:
            activation.settle(another)

    assert left_out(activation) == {}
