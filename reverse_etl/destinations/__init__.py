"""The products leads are written to, one module each; `KINDS` is what a destination's `kind` may be."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from reverse_etl.destination import DestinationProduct, Traits
from reverse_etl.destinations.chatwoot import ChatwootContacts
from reverse_etl.destinations.ga4 import Ga4Events
from reverse_etl.destinations.google_ads import GoogleAdsConversions
from reverse_etl.destinations.hubspot import HubSpot
from reverse_etl.destinations.meta import MetaConversions
from reverse_etl.destinations.openai_ads import OpenAiConversions
from reverse_etl.destinations.pipedrive import Pipedrive
from reverse_etl.destinations.rdstation import RDStationContacts
from reverse_etl.destinations.rdstation_crm import RDStationDeals
from reverse_etl.destinations.salesforce import SalesforceLeads
from reverse_etl.destinations.webhook import SignedWebhooks


class Product(Protocol):
    """The class of a product's destinations."""

    traits: Traits

    @classmethod
    def of(
        cls, configuration: Mapping[str, Any], secrets: Mapping[str, str], lead_url: Callable[[str], str]
    ) -> DestinationProduct:
        """From a destination's configuration, its secrets, and the console's address of a lead.

        Raises `Misconfigured` naming what is missing.
        """


KINDS: Mapping[str, type[Product]] = {
    "chatwoot": ChatwootContacts,
    "ga4": Ga4Events,
    "google_ads": GoogleAdsConversions,
    "hubspot": HubSpot,
    "meta": MetaConversions,
    "openai_ads": OpenAiConversions,
    "pipedrive": Pipedrive,
    "rdstation": RDStationContacts,
    "rdstation_crm": RDStationDeals,
    "salesforce": SalesforceLeads,
    "webhook": SignedWebhooks,
}


def kept_kinds(kind: str) -> tuple[str, ...] | None:
    """The kinds of records that a destination of this kind needs to take back what it was sent; None if it cannot."""
    product = KINDS.get(kind)
    found: tuple[str, ...] | None = getattr(product, "kept_kinds", None)
    return found
