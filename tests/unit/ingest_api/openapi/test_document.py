"""The OpenAPI document, which combines the schemas of FastAPI, pydantic and msgspec."""

from typing import Any

import pytest
from pydantic import SecretStr

from echolead.settings import Settings
from ingest_api.app import create_app


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document of a collector without queue and database."""
    settings = Settings(
        nats_url=SecretStr("nats://127.0.0.1:1"),
        postgres_collector_url=SecretStr("postgresql:///none"),
        postgres_api_url=SecretStr("postgresql:///none"),
        jwt_secret=SecretStr("k" * 32),
    )
    return create_app(settings).api.openapi()


def properties(document: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    """The properties of a schema, through its reference."""
    return set(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"])


def test_the_user_who_is_signed_in_is_not_described_as_the_user_of_an_event(document: dict[str, Any]) -> None:
    """Both were called `User`, and one schema replaced the other."""
    answer = document["paths"]["/v1/me"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert properties(document, answer) >= {"user_id", "tenants", "installation_role"}
    event = document["components"]["schemas"]["Event"]["properties"]["user"]
    user = next(each for each in event.get("anyOf", [event]) if "$ref" in each)
    assert "phone" in properties(document, user)


def test_every_schema_that_is_referred_to_is_there(document: dict[str, Any]) -> None:
    def references(part: Any) -> set[str]:
        if isinstance(part, dict):
            own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
            return own.union(*map(references, part.values()))
        return set().union(*map(references, part)) if isinstance(part, list) else set()

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= known
