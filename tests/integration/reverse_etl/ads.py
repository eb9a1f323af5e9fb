"""Leads with events, and the way to the demo ad platforms."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from echolead.operational.models import Destination
from tests.fixtures.demo_ads import ServedAds
from tests.fixtures.operational import make_destination
from tests.integration.reverse_etl.conftest import Activation

NOW = datetime.now(UTC).replace(microsecond=0)


def hours_ago(hours: float) -> str:
    """That moment, as an event has it: from now on, however long ago the tests were collected."""
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


def event_of(lead_id: str, name: str = "lead", **fields: Any) -> dict[str, Any]:
    """An event of an hour before the tests were collected; `at` says otherwise."""
    return {
        "event_id": f"{name}-of-{lead_id}",
        "name": name,
        "at": (NOW - timedelta(hours=1)).isoformat(),
        "page_url": "https://padaria.test/orcamento",
        "user_agent": "Mozilla/5.0",
        **fields,
    }


def lead_of(lead_id: str, *names: str, **fields: Any) -> dict[str, Any]:
    """A payload for an ad platform: a lead with these events, who came by a click of each platform two hours ago."""
    clicked_at = (NOW - timedelta(hours=2)).isoformat()
    values = {"gclid": "G", "fbclid": "F", "oppref": "O"}
    paid = {"value": "1234.50", "currency": "BRL", "order_id": f"order-of-{lead_id}"}
    return {
        "lead_id": lead_id,
        "name": "Ana Souza",
        "email": f"{lead_id}@lead.test",
        "phone": "",
        "consent": {"ads": "granted", "analytics": "granted", "marketing": "granted"},
        "clicks": [{"name": name, "value": f"{value}-{lead_id}", "at": clicked_at} for name, value in values.items()],
        "cookies": {"_ga": "GA1.1.111.222"},
        "events": [event_of(lead_id, name, **(paid if name == "won" else {})) for name in names],
        **fields,
    }


@dataclass
class AdFeedback:
    """The platforms, and destinations of the tenant that report to them."""

    activation: Activation
    served: ServedAds

    def destination(self, kind: str, **more: str) -> Destination:
        """A destination of this kind, which `activation.want` is for from now on."""
        checked = self.served.settings(kind, **more)
        made = make_destination(
            self.activation.database,
            self.activation.tenant_id,
            kind=kind,
            configuration=checked.configuration,
            secrets=checked.secrets,
        )
        self.activation.destination_id = made.destination_id
        return made

    def destinations(self, *kinds: str) -> dict[str, Destination]:
        """One of each kind."""
        return {kind: self.destination(kind) for kind in kinds}

    def want(self, places: dict[str, Destination], *payloads: dict[str, Any]) -> None:
        """These states are wanted at all of these destinations."""
        for place in places.values():
            self.activation.want(*payloads, destination=place)

    def rows(self, place: Destination) -> dict[str, Any]:
        """The newest delivery of each lead to a destination, by the lead."""
        found = self.activation.rows(
            "select * from deliveries where destination_id = :place order by created_at", place=place.destination_id
        )
        return {row["lead_id"]: row for row in found}
