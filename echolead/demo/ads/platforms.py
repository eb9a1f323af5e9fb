"""The four platforms of the demo, each with one account."""

from dataclasses import dataclass, field

from echolead.demo.ads.ga4 import Ga4Stream
from echolead.demo.ads.google import GoogleAccount
from echolead.demo.ads.meta import MetaDataSet
from echolead.demo.ads.openai import OpenAiPixel


@dataclass
class Platforms:
    """One account of each platform."""

    meta: MetaDataSet = field(default_factory=MetaDataSet)
    google: GoogleAccount = field(default_factory=GoogleAccount)
    ga4: Ga4Stream = field(default_factory=Ga4Stream)
    openai: OpenAiPixel = field(default_factory=OpenAiPixel)
