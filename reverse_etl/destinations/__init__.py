"""The products leads are written to, one module each; `KINDS` is what a destination's `kind` may be."""

from collections.abc import Callable, Mapping
from typing import Any

from reverse_etl.destination import Destination
from reverse_etl.destinations.chatwoot import ChatwootContacts
from reverse_etl.destinations.ga4 import Ga4Events
from reverse_etl.destinations.google_ads import GoogleAdsConversions
from reverse_etl.destinations.meta import MetaConversions
from reverse_etl.destinations.openai_ads import OpenAiConversions
from reverse_etl.destinations.webhook import SignedWebhooks

Make = Callable[[Mapping[str, Any], Mapping[str, str], Callable[[str], str]], Destination]

# Each makes the destination from its configuration, its secrets and the console's address of a lead.
KINDS: dict[str, Make] = {
    "chatwoot": ChatwootContacts.of,
    "ga4": Ga4Events.of,
    "google_ads": GoogleAdsConversions.of,
    "meta": MetaConversions.of,
    "openai_ads": OpenAiConversions.of,
    "webhook": SignedWebhooks.of,
}
