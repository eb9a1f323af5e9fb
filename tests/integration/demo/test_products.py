"""The demo products beside a stack: each serves its page, and the demo tenant's destinations reach it."""

import sys
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from echolead.cli.demo_products import chosen
from echolead.cli.errors import CommandFailed
from echolead.demo.products import PRODUCTS, DemoProduct, disable, enable
from echolead.demo.rdstation import create_app
from echolead.demo.tenant import TENANT_ID
from echolead.demo.watching import load_or_make_credentials
from echolead.embedded.alone import running
from echolead.embedded.part import Part, port_is_open
from echolead.operational.database import connect, system_session
from echolead.operational.models import Destination
from echolead.operational.provision import OperationalUrls
from echolead.outbound import UnsafeAddress
from echolead.security import Vault
from echolead.settings import Settings
from tests.fixtures.operational import SECRET_KEY, make_tenant
from tests.fixtures.parts import free_port
from tests.fixtures.served_app import served


@pytest.fixture
def settings(empty_operational_urls: OperationalUrls, tmp_path: Path) -> Settings:
    """Of a stack with the demo tenant."""
    database = connect(empty_operational_urls.system)
    make_tenant(database, TENANT_ID)
    database.dispose()
    places = ",".join(product.place(9900) for product in PRODUCTS.values())
    return Settings(
        data_dir=tmp_path,
        port_base=9900,
        private_destinations=places,
        postgres_system_url=SecretStr(empty_operational_urls.system),
        destination_secret_keys=SecretStr(SECRET_KEY),
    )


def destinations(settings: Settings) -> dict[str, tuple[str, bool, dict[str, str]]]:
    """Kind, whether it is enabled, and secrets by name."""
    database = connect(settings.postgres_system_url.get_secret_value())
    vault = Vault.of_destinations(settings)
    with system_session(database) as session:
        found = {
            row.name: (row.kind, row.is_enabled, vault.decrypt(row.secrets))
            for row in session.scalars(select(Destination))
        }
    database.dispose()
    return found


def test_the_demo_tenants_leads_go_to_the_products_that_are_served(settings: Settings) -> None:
    products = list(PRODUCTS.values())
    enable(settings, products)
    assert sorted(kind for kind, is_enabled, _ in destinations(settings).values() if is_enabled) == sorted(
        kind for product in products for kind in product.destinations
    )
    disable(settings, products[:1])
    (settings.data_dir / "demo" / products[1].name / "credentials.json").unlink()
    enable(settings, products[1:])
    after = destinations(settings)
    assert len(after) == sum(len(product.destinations) for product in products)
    assert [name for name, (_, is_enabled, _) in after.items() if not is_enabled] == [
        products[0].destination("hubspot")
    ]
    account = load_or_make_credentials(products[1].data_dir(settings))
    assert after[products[1].destination("pipedrive")][2] == {"api_token": account.client_secret}


def test_a_stack_without_the_demo_delivers_to_none_of_them(settings: Settings) -> None:
    with pytest.raises(UnsafeAddress):
        enable(settings.model_copy(update={"private_destinations": ""}), PRODUCTS.values())
    assert destinations(settings) == {}


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=lambda product: product.name)
def test_a_product_shows_what_it_holds_to_its_user_alone(product: DemoProduct, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", f"echolead.demo.{product.name}", "--port", str(port), "--data-dir", str(tmp_path)]
    part = Part(product.name, command, ready=lambda: None if port_is_open("127.0.0.1", port) else "no port")
    with running(part, tmp_path):
        account = load_or_make_credentials(tmp_path)
        page = f"http://127.0.0.1:{port}/"
        assert httpx.get(page).status_code == 401
        shown = httpx.get(page, auth=(account.client_id, account.client_secret))
    assert shown.status_code == 200
    assert f"<h1>Demo {product.title}</h1>" in shown.text


def test_products_are_named_with_or_without_commas_and_another_name_is_refused() -> None:
    assert [product.name for product in chosen(["hubspot,receiver", "hubspot"])] == ["hubspot", "receiver"]
    with pytest.raises(CommandFailed, match="no demo of myspace: use hubspot, pipedrive"):
        chosen(["myspace"])


def test_both_apps_of_rd_station_renew_their_tokens_and_neither_ends_the_others(tmp_path: Path) -> None:
    destinations = PRODUCTS["rdstation"].destinations
    account = load_or_make_credentials(tmp_path)
    with served(create_app(account)) as url, httpx.Client(base_url=url) as client:
        for kind in ("rdstation", "rdstation_crm"):
            configuration, secrets = destinations[kind]("http://rd.test", tmp_path)
            app = {"client_id": configuration["client_id"], **secrets, "grant_type": "refresh_token"}
            renewed = client.post("/oauth2/token", data=app)
            assert renewed.status_code == 200, renewed.text
            path = "/platform/contacts/fields" if kind == "rdstation" else "/crm/v2/pipelines"
            bearer = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
            assert client.get(path, headers=bearer).status_code == 200


def test_products_that_leads_wait_for_fields_in_are_set_up() -> None:
    assert {kind for product in PRODUCTS.values() for kind in product.set_up} == {"salesforce", "rdstation"}
