"""The demo ad platforms: Meta, Google, GA4 and OpenAI as far as conversions and spend go, for demo and tests.

Each validates as its documentation says, tells repeated events where the real one does, and keeps what the real one
would keep. A page shows it.
"""

from echolead.demo.ads.app import create_app
from echolead.demo.ads.ga4 import Ga4Stream
from echolead.demo.ads.google import GoogleAccount
from echolead.demo.ads.meta import MetaDataSet
from echolead.demo.ads.openai import OpenAiPixel
from echolead.demo.ads.platforms import SPEND_VALUES, VALUES, Platforms, load_or_make_platforms
from echolead.demo.ads.spend import GoogleAdsReports, MetaAdsReports, SpendAccount

PLATFORM_KINDS = tuple(VALUES)
SPEND_PLATFORM_KINDS = tuple(SPEND_VALUES)

__all__ = [
    "PLATFORM_KINDS",
    "SPEND_PLATFORM_KINDS",
    "Ga4Stream",
    "GoogleAccount",
    "GoogleAdsReports",
    "MetaAdsReports",
    "MetaDataSet",
    "OpenAiPixel",
    "Platforms",
    "SpendAccount",
    "create_app",
    "load_or_make_platforms",
]
