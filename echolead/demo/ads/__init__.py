"""The demo ad platforms: Meta, Google, GA4 and OpenAI as far as conversions go, for the demo and for the tests.

Each validates as its documentation says, tells repeated events where the real one does, and keeps what the real one
would keep. A page shows it.
"""

from echolead.demo.ads.app import create_app
from echolead.demo.ads.ga4 import Ga4Stream
from echolead.demo.ads.google import GoogleAccount
from echolead.demo.ads.meta import MetaDataSet
from echolead.demo.ads.openai import OpenAiPixel
from echolead.demo.ads.platforms import VALUES, Platforms, load_or_make_platforms

PLATFORM_KINDS = tuple(VALUES)

__all__ = [
    "PLATFORM_KINDS",
    "Ga4Stream",
    "GoogleAccount",
    "MetaDataSet",
    "OpenAiPixel",
    "Platforms",
    "create_app",
    "load_or_make_platforms",
]
