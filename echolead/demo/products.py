"""The products that `echolead demo --with` serves, and the destinations of the demo tenant there.

Each is a package beside this module: `python -m echolead.demo.NAME --port N --data-dir D` serves it.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from echolead.demo.ads import PLATFORM_KINDS, SPEND_PLATFORM_KINDS, load_or_make_platforms
from echolead.demo.rdstation import of_crm
from echolead.demo.tenant import TENANT_ID
from echolead.demo.watching import DemoCredentials, load_or_make_credentials
from echolead.operational.database import connect, system_session
from echolead.operational.destinations import add_destination, check_configuration, set_enabled, update_destination
from echolead.operational.models import Destination, SpendSource
from echolead.operational.spend import add_spend_source, check_spend_source
from echolead.outbound import Place, opened_places
from echolead.ports import Port
from echolead.security import Vault
from echolead.settings import Settings

ACTOR = "echolead demo"
ADS = "ads"
Values = tuple[dict[str, str], dict[str, str]]
"""The configuration and the secrets of a destination."""


class Reach(TypedDict):
    """Which private addresses a destination may have."""

    allow_private: bool
    private_places: frozenset[Place]


@dataclass(frozen=True)
class DemoProduct:
    """A product with a port of its own. `destinations` has by kind what gives the values of a destination there.

    They get the product's address and the directory of its credentials. `set_up` are the kinds of them that wait for
    fields in the account.
    """

    name: str
    title: str
    port: Port
    destinations: Mapping[str, Callable[[str, Path], Values]]
    set_up: tuple[str, ...] = ()

    def destination(self, kind: str) -> str:
        """The name of the demo tenant's destination of this kind."""
        return f"Demo {self.title}" if len(self.destinations) == 1 else f"Demo {self.title} ({kind})"

    def place(self, port_base: int) -> str:
        """Host and port for deliveries."""
        return f"127.0.0.1:{self.port.of(port_base)}"

    def data_dir(self, settings: Settings) -> Path:
        """Where its credentials are."""
        return settings.data_dir / "demo" / self.name


def webhook_secret(credentials: DemoCredentials) -> str:
    """The secret that the demo receiver and its destination share."""
    return "whsec_" + base64.b64encode(hashlib.sha256(credentials.client_secret.encode()).digest()).decode()


def _hubspot(address: str, folder: Path) -> Values:
    account = load_or_make_credentials(folder)
    return {"base_url": address, "forms_url": address}, {"access_token": account.client_secret}


def _pipedrive(address: str, folder: Path) -> Values:
    return {"base_url": address}, {"api_token": load_or_make_credentials(folder).client_secret}


def _salesforce(address: str, folder: Path) -> Values:
    account = load_or_make_credentials(folder)
    return {"instance_url": address, "client_id": account.client_id}, {"client_secret": account.client_secret}


def _rdstation(address: str, folder: Path) -> Values:
    return _rdstation_app(address, load_or_make_credentials(folder))


def _rdstation_app(address: str, account: DemoCredentials) -> Values:
    secrets = {"client_secret": account.client_secret, "refresh_token": account.refresh_token}
    return {"base_url": address, "client_id": account.client_id}, secrets


def _rdstation_crm(address: str, folder: Path) -> Values:
    configuration, secrets = _rdstation_app(address, of_crm(load_or_make_credentials(folder)))
    return {**configuration, "crm_url": f"{address}/crm/v2"}, secrets


def _receiver(address: str, folder: Path) -> Values:
    return {"url": f"{address}/api/hooks"}, {"secret": webhook_secret(load_or_make_credentials(folder))}


def _ads(kind: str) -> Callable[[str, Path], Values]:
    return lambda address, folder: load_or_make_platforms(folder).values(kind, address)


PRODUCTS = {
    product.name: product
    for product in (
        DemoProduct("hubspot", "HubSpot", Port.DEMO_HUBSPOT, {"hubspot": _hubspot}),
        DemoProduct("pipedrive", "Pipedrive", Port.DEMO_PIPEDRIVE, {"pipedrive": _pipedrive}),
        DemoProduct(
            "salesforce", "Salesforce", Port.DEMO_SALESFORCE, {"salesforce": _salesforce}, set_up=("salesforce",)
        ),
        DemoProduct(
            "rdstation",
            "RD Station",
            Port.DEMO_RDSTATION,
            {"rdstation": _rdstation, "rdstation_crm": _rdstation_crm},
            set_up=("rdstation",),
        ),
        DemoProduct("receiver", "webhook receiver", Port.DEMO_RECEIVER, {"webhook": _receiver}),
        DemoProduct(ADS, "ad platforms", Port.DEMO_ADS, {kind: _ads(kind) for kind in PLATFORM_KINDS}),
    )
}


def enable(settings: Settings, products: Iterable[DemoProduct]) -> None:
    """Give the demo tenant an enabled destination at each product, with the product's credentials.

    Raises `UnsafeAddress` when the stack does not allow deliveries to the product's port.
    """
    vault = Vault.of_destinations(settings)
    reach: Reach = {"allow_private": settings.allow_private_destinations, "private_places": opened_places(settings)}
    with _session(settings) as session:
        for product, kind in _places(products):
            address = f"http://{product.place(settings.port_base)}"
            configuration, secrets = product.destinations[kind](address, product.data_dir(settings))
            found = _destination(session, product, kind)
            if found is None:
                checked = check_configuration(kind, configuration, secrets, **reach)
                name = product.destination(kind)
                found = add_destination(session, vault, TENANT_ID, kind, checked, actor=ACTOR, name=name)
            else:
                update_destination(
                    session, vault, found, configuration=configuration, secrets=secrets, actor=ACTOR, **reach
                )
            set_enabled(session, found, True, actor=ACTOR)
        for product in products:
            if product.name == ADS:
                _pull_spend(session, vault, product, settings, reach)


def _pull_spend(session: Session, vault: Vault, product: DemoProduct, settings: Settings, reach: Reach) -> None:
    """Let the spend of the demo's ad accounts be pulled, with the credentials of now."""
    platforms = load_or_make_platforms(product.data_dir(settings))
    address = f"http://{product.place(settings.port_base)}"
    for platform in SPEND_PLATFORM_KINDS:
        checked = check_spend_source(platform, *platforms.spend_values(platform, address), **reach)
        name = f"demo-{platform}"
        found = session.scalar(select(SpendSource).where(SpendSource.tenant_id == TENANT_ID, SpendSource.name == name))
        if found is None:
            add_spend_source(session, vault, TENANT_ID, platform, checked, actor=ACTOR, name=name)
        else:
            found.configuration, found.secrets = checked.configuration, vault.encrypt(checked.secrets)
            found.is_enabled = True


def disable(settings: Settings, products: Iterable[DemoProduct]) -> None:
    """Stop deliveries to products that are no longer served; what waits is kept."""
    with _session(settings) as session:
        for product, kind in _places(products):
            if (found := _destination(session, product, kind)) is not None:
                set_enabled(session, found, False, actor=ACTOR)
        if any(product.name == ADS for product in products):
            session.execute(
                update(SpendSource)
                .where(SpendSource.tenant_id == TENANT_ID, SpendSource.name.startswith("demo-"))
                .values(is_enabled=False)
            )


def _places(products: Iterable[DemoProduct]) -> Iterator[tuple[DemoProduct, str]]:
    return ((product, kind) for product in products for kind in product.destinations)


@contextmanager
def _session(settings: Settings) -> Iterator[Session]:
    engine = connect(settings.postgres_system_url.get_secret_value(), application_name=ACTOR)
    try:
        with system_session(engine) as session:
            yield session
    finally:
        engine.dispose()


def _destination(session: Session, product: DemoProduct, kind: str) -> Destination | None:
    return session.scalar(
        select(Destination).where(
            Destination.tenant_id == TENANT_ID, Destination.kind == kind, Destination.name == product.destination(kind)
        )
    )
