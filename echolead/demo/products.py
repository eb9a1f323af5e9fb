"""The products that `echolead demo --with` serves, and the destinations of the demo tenant there.

Each is a package beside this module: `python -m echolead.demo.NAME --port N --data-dir D` serves it.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from sqlalchemy import select
from sqlalchemy.orm import Session

from echolead.demo.tenant import TENANT_ID
from echolead.demo.watching import DemoCredentials, load_or_make_credentials
from echolead.operational.database import connect, system_session
from echolead.operational.destinations import add_destination, check_configuration, set_enabled, update_destination
from echolead.operational.models import Destination
from echolead.outbound import Place, opened_places
from echolead.ports import Port
from echolead.security import Vault
from echolead.settings import Settings

ACTOR = "echolead demo"
Values = tuple[dict[str, str], dict[str, str]]
"""The configuration and the secrets of a destination."""


class Reach(TypedDict):
    """Which private addresses a destination may have."""

    allow_private: bool
    private_places: frozenset[Place]


@dataclass(frozen=True)
class DemoProduct:
    """A product with a port of its own; `values` gives those of a destination of this kind at an address."""

    name: str
    title: str
    kind: str
    port: Port
    values: Callable[[str, DemoCredentials], Values]

    @property
    def destination(self) -> str:
        """The name of the demo tenant's destination."""
        return f"Demo {self.title}"

    def place(self, port_base: int) -> str:
        """Host and port for deliveries."""
        return f"127.0.0.1:{self.port.of(port_base)}"

    def data_dir(self, settings: Settings) -> Path:
        """Where its credentials are."""
        return settings.data_dir / "demo" / self.name


def webhook_secret(credentials: DemoCredentials) -> str:
    """The secret that the demo receiver and its destination share."""
    return "whsec_" + base64.b64encode(hashlib.sha256(credentials.client_secret.encode()).digest()).decode()


def _hubspot(address: str, account: DemoCredentials) -> Values:
    return {"base_url": address, "forms_url": address}, {"access_token": account.client_secret}


def _pipedrive(address: str, account: DemoCredentials) -> Values:
    return {"base_url": address}, {"api_token": account.client_secret}


def _salesforce(address: str, account: DemoCredentials) -> Values:
    return {"instance_url": address, "client_id": account.client_id}, {"client_secret": account.client_secret}


def _rdstation(address: str, account: DemoCredentials) -> Values:
    secrets = {"client_secret": account.client_secret, "refresh_token": account.refresh_token}
    return {"base_url": address, "client_id": account.client_id}, secrets


def _receiver(address: str, account: DemoCredentials) -> Values:
    return {"url": f"{address}/api/hooks"}, {"secret": webhook_secret(account)}


PRODUCTS = {
    product.name: product
    for product in (
        DemoProduct("hubspot", "HubSpot", "hubspot", Port.DEMO_HUBSPOT, _hubspot),
        DemoProduct("pipedrive", "Pipedrive", "pipedrive", Port.DEMO_PIPEDRIVE, _pipedrive),
        DemoProduct("salesforce", "Salesforce", "salesforce", Port.DEMO_SALESFORCE, _salesforce),
        DemoProduct("rdstation", "RD Station", "rdstation", Port.DEMO_RDSTATION, _rdstation),
        DemoProduct("receiver", "webhook receiver", "webhook", Port.DEMO_RECEIVER, _receiver),
    )
}


def enable(settings: Settings, products: Iterable[DemoProduct]) -> None:
    """Give the demo tenant an enabled destination at each product, with the product's credentials.

    Raises `UnsafeAddress` when the stack does not allow deliveries to the product's port.
    """
    vault = Vault.of_destinations(settings)
    reach: Reach = {"allow_private": settings.allow_private_destinations, "private_places": opened_places(settings)}
    with _session(settings) as session:
        for product in products:
            account = load_or_make_credentials(product.data_dir(settings))
            configuration, secrets = product.values(f"http://{product.place(settings.port_base)}", account)
            found = _destination(session, product)
            if found is None:
                checked = check_configuration(product.kind, configuration, secrets, **reach)
                name = product.destination
                found = add_destination(session, vault, TENANT_ID, product.kind, checked, actor=ACTOR, name=name)
            else:
                update_destination(
                    session, vault, found, configuration=configuration, secrets=secrets, actor=ACTOR, **reach
                )
            set_enabled(session, found, True, actor=ACTOR)


def disable(settings: Settings, products: Iterable[DemoProduct]) -> None:
    """Stop deliveries to products that are no longer served; what waits is kept."""
    with _session(settings) as session:
        for product in products:
            if (found := _destination(session, product)) is not None:
                set_enabled(session, found, False, actor=ACTOR)


@contextmanager
def _session(settings: Settings) -> Iterator[Session]:
    engine = connect(settings.postgres_system_url.get_secret_value(), application_name=ACTOR)
    try:
        with system_session(engine) as session:
            yield session
    finally:
        engine.dispose()


def _destination(session: Session, product: DemoProduct) -> Destination | None:
    wanted = select(Destination).where(Destination.tenant_id == TENANT_ID, Destination.name == product.destination)
    return session.scalar(wanted)
