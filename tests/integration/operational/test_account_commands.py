"""`echolead destination test`, `setup` and `update --mapping` on a demo Chatwoot that is served."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from echolead.cli import app
from echolead.demo.chatwoot import Fault
from echolead.operational.database import system_session
from echolead.operational.destinations import check_configuration
from echolead.operational.models import Destination
from echolead.operational.provision import OperationalUrls
from echolead.security import Vault
from echolead.settings import Settings
from reverse_etl.mapping import MappingError
from reverse_etl.mapping_preview import check_mapping
from tests.fixtures.demo_chatwoot import ACCOUNT, ServedChatwoot, served_chatwoot
from tests.fixtures.operational import JWT_SECRET, SECRET_KEY, make_destination, make_tenant


@pytest.fixture
def chatwoot(tmp_path: Path) -> Iterator[ServedChatwoot]:
    """An empty demo Chatwoot."""
    with served_chatwoot(tmp_path / "chatwoot.sqlite") as served:
        yield served


class Operator:
    """Runs commands on one tenant's Chatwoot destination: `operator("test")`."""

    def __init__(self, data_dir: Path, tenant_id: str) -> None:
        self.data_dir = data_dir
        self.tenant_id = tenant_id

    def __call__(self, command: str, *words: str, stdin: str | None = None) -> Result:
        where = [self.tenant_id, "chatwoot"]
        if command in ("test", "setup"):
            where = ["--tenant", self.tenant_id, "--destination", "chatwoot"]
        where += ["--data-dir", str(self.data_dir)]
        return CliRunner().invoke(app, ["destination", command, *where, *words], input=stdin)

    def states(self, *words: str) -> dict[str, str]:
        """What a command finds, by subject."""
        findings: list[dict[str, Any]] = json.loads(self(*words, "--json").stdout)
        return {finding["subject"]: finding["state"] for finding in findings}


@pytest.fixture
def operator(
    tmp_path: Path, operational_urls: OperationalUrls, system_engine: Engine, chatwoot: ServedChatwoot
) -> Operator:
    """With a stack's folder, and a tenant whose destination is the demo Chatwoot."""
    (tmp_path / "stack.env").write_text(
        f"ECHOLEAD_POSTGRES_SYSTEM_URL={operational_urls.system}\n"
        f"ECHOLEAD_POSTGRES_DELIVERIES_URL={operational_urls.deliveries}\n"
        f"ECHOLEAD_SECRET_KEYS={SECRET_KEY}\n"
        f"ECHOLEAD_JWT_SECRET={JWT_SECRET}\n"
        "ECHOLEAD_ALLOW_PRIVATE_DESTINATIONS=true\n"
    )
    tenant = make_tenant(system_engine, f"acme-{uuid4().hex[:8]}")
    make_destination(
        system_engine,
        tenant.tenant_id,
        name="chatwoot",
        configuration=chatwoot.configuration(),
        secrets={"api_access_token": ACCOUNT.api_access_token},
    )
    return Operator(tmp_path, tenant.tenant_id)


def test_what_is_missing_is_shown_then_made_and_then_nothing_is_missing(
    operator: Operator, chatwoot: ServedChatwoot, system_engine: Engine
) -> None:
    tested = operator("test")
    assert tested.exit_code == 1
    assert "attribute channel" in tested.output
    assert operator.states("setup")["attribute channel"] == "missing"
    refused = operator("setup", stdin="n\n")
    assert (refused.exit_code, chatwoot.ask("GET", "custom_attribute_definitions")) == (1, [])

    made = operator("setup", stdin="y\n")
    assert made.exit_code == 0, made.output
    assert len(chatwoot.ask("GET", "custom_attribute_definitions")) == 16 + 10  # of contacts and of conversations
    assert operator("test").exit_code == 0
    again = operator("setup", "--yes")
    assert (again.exit_code, again.output.strip()) == (0, "The account has all that the destination needs.")
    with system_session(system_engine) as session:
        where = {"t": operator.tenant_id}
        recorded = session.scalars(
            text("select detail from audit_log where tenant_id = :t and action = 'destination.set_up'"), where
        ).all()
        version = session.scalars(
            text("select updated_at > created_at from destinations where tenant_id = :t"), where
        ).all()
    assert [len(detail["made"]) for detail in recorded] == [31]  # with the webhook, and the labels that the rules give
    assert version == [True]  # engines open its lane again


def test_setup_lets_the_account_post_to_us_and_keeps_the_secret(
    operator: Operator, chatwoot: ServedChatwoot, system_engine: Engine
) -> None:
    def endpoints() -> list[Any]:
        with system_session(system_engine) as session:
            found = text("select endpoint, secrets from webhook_endpoints where tenant_id = :t")
            return list(session.execute(found, {"t": operator.tenant_id}).all())

    assert (operator.states("setup")["webhook"], endpoints()) == ("missing", [])
    made = operator("setup", "--yes")
    assert made.exit_code == 0, made.output

    (webhook,) = chatwoot.ask("GET", "webhooks")["payload"]["webhooks"]
    (endpoint,) = endpoints()
    kept = Vault.of_collector(Settings(secret_keys=SecretStr(SECRET_KEY))).decrypt(endpoint.secrets)
    assert webhook["url"].endswith(f"/v1/webhooks/chatwoot/{endpoint.endpoint}")
    assert kept == {"current": webhook["secret"]}
    assert webhook["secret"] not in made.output + operator("setup", "--json").output
    assert {"conversation_created", "message_created", "contact_updated"} <= set(webhook["subscriptions"])


def test_an_address_that_the_account_does_not_take_is_removed_again(
    operator: Operator, chatwoot: ServedChatwoot, system_engine: Engine
) -> None:
    chatwoot.faults.replace([Fault("status", where="POST .*/webhooks$", status=422)])
    made = operator("setup", "--yes")

    with system_session(system_engine) as session:
        where = {"t": operator.tenant_id}
        left = session.scalar(text("select count(*) from webhook_endpoints where tenant_id = :t"), where)
    assert (made.exit_code, left) == (1, 0)


def test_a_token_that_is_refused_is_a_sentence_without_the_token(operator: Operator, system_engine: Engine) -> None:
    changed = operator("update", "--secret", "api_access_token=a-wrong-token")
    assert changed.exit_code == 0, changed.output
    result = operator("test")
    assert result.exit_code == 2
    assert "refuses the token (401)" in result.output
    assert "a-wrong-token" not in result.output


def test_a_mapping_for_a_product_without_one_is_refused(operator: Operator, tmp_path: Path) -> None:
    (tmp_path / "mapping.yml").write_text("contact: {email: email}\n")
    result = operator("update", "--mapping", str(tmp_path / "mapping.yml"))
    assert (result.exit_code, "A chatwoot destination has no mapping." in result.output) == (2, True)
    assert "A mapping is a file" in operator("update", "--set", "mapping=x").output
    assert "cannot be read" in operator("update", "--mapping", str(tmp_path / "gone.yml")).output


def test_a_mapping_is_read_by_its_product_before_it_is_stored(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, destination_secret_keys=SecretStr(SECRET_KEY))
    secrets = Vault.of_destinations(settings).encrypt({"access_token": "a-token"})
    row = Destination(tenant_id="acme", kind="hubspot", configuration={}, secrets=secrets)
    made = check_mapping(settings, row, "contact: {canal: attributes.channel}")
    assert "email: email" in made.default_mapping
    with pytest.raises(MappingError, match="line 2: there is no record 'company'"):
        check_mapping(settings, row, "\ncompany: {amount: url}")


def test_a_mapping_is_kept_beside_the_products_own_values_and_an_empty_one_takes_it_away() -> None:
    values = {"base_url": "https://chat.test", "account_id": 1, "inbox_id": 1}
    secrets = {"api_access_token": "a-token-of-theirs"}

    def stored(mapping: str) -> dict[str, Any]:
        given = {**values, "mapping": mapping}
        return check_configuration("chatwoot", given, secrets, allow_private=True, private_places=()).configuration

    assert stored("contact: {}") == {**values, "mapping": "contact: {}"}
    assert stored("") == values
