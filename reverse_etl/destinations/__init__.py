"""The products leads are written to, one module each; `KINDS` is what a destination's `kind` may be."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import httpx

from reverse_etl.calls import Calls
from reverse_etl.destinations.chatwoot import ChatwootContacts
from reverse_etl.lead import Delivered, DeliveryHistory, Lead


class DestinationProduct(Protocol):
    """Knows its product; the engine alone retries and keeps the ledger. Every method raises `DeliveryFailed`."""

    def client(self, transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        """The connection pool, with the product's address and credentials."""

    async def prepare(self, calls: Calls) -> None:
        """Make sure of what deliveries need in the account; once per engine."""

    async def deliver(self, calls: Calls, lead: Lead, history: DeliveryHistory) -> Delivered:
        """Create or update the lead's record; twice leaves the same as once."""

    async def verify(self, calls: Calls, lead: Lead, delivered: Delivered) -> None:
        """Read the record back and compare what was sent. Raises `Mismatch`."""


Make = Callable[[Mapping[str, Any], Mapping[str, str], Callable[[str], str]], DestinationProduct]

# Each makes the destination from its configuration, its secrets and the console's address of a lead.
KINDS: dict[str, Make] = {"chatwoot": ChatwootContacts.of}
