"""The four platforms of the demo, each with one account."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from echolead.demo.ads.ga4 import Ga4Stream
from echolead.demo.ads.google import GoogleAccount
from echolead.demo.ads.meta import MetaDataSet
from echolead.demo.ads.openai import OpenAiPixel
from echolead.demo.ads.spend import GoogleAdsReports, MetaAdsReports, demo_account
from echolead.demo.watching import load_or_make_credentials

Values = tuple[dict[str, str], dict[str, str]]
"""The configuration and the secrets of a destination."""


@dataclass
class Platforms:
    """One account of each platform."""

    meta: MetaDataSet = field(default_factory=MetaDataSet)
    google: GoogleAccount = field(default_factory=GoogleAccount)
    ga4: Ga4Stream = field(default_factory=Ga4Stream)
    openai: OpenAiPixel = field(default_factory=OpenAiPixel)
    google_reports: GoogleAdsReports = field(default_factory=GoogleAdsReports)
    meta_reports: MetaAdsReports = field(default_factory=MetaAdsReports)

    def values(self, kind: str, address: str) -> Values:
        """What a destination of this kind needs to deliver to the platforms that are served at `address`."""
        return VALUES[kind](self, address)

    def spend_values(self, platform: str, address: str) -> Values:
        """What an account needs whose spend is pulled from there."""
        return SPEND_VALUES[platform](self, address)


def load_or_make_platforms(data_dir: Path) -> Platforms:
    """Platforms without events, with the credentials in this directory, which are made at the first start."""
    secret = load_or_make_credentials(data_dir).client_secret
    return Platforms(
        MetaDataSet(access_token=secret),
        GoogleAccount(key=_load_or_make_key(data_dir / "google-service-account.pem")),
        Ga4Stream(api_secret=secret),
        OpenAiPixel(api_key=secret),
        GoogleAdsReports(demo_account("google_ads", "1234567890"), client_secret=secret, refresh_token=secret,
                         developer_token=secret),
        MetaAdsReports(demo_account("meta_ads", "9876543210"), access_token=secret),
    )  # fmt: skip


def _load_or_make_key(path: Path) -> rsa.RSAPrivateKey:
    if not path.exists():
        pem = rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{path} holds another kind of key: remove it, and it is made anew.")
    return key


def _meta(platforms: Platforms, address: str) -> Values:
    account = platforms.meta
    return {"pixel_id": account.pixel_id, "base_url": f"{address}/api/meta"}, {"access_token": account.access_token}


def _google(platforms: Platforms, address: str) -> Values:
    account = platforms.google
    actions = dict(zip(("lead_action", "qualified_action", "won_action"), account.actions, strict=True))
    key = account.service_account(f"{address}/api/google/token")
    configuration = {"customer_id": account.customer_id, "base_url": f"{address}/api/google", **actions}
    return configuration, {"service_account": json.dumps(key)}


def _ga4(platforms: Platforms, address: str) -> Values:
    account = platforms.ga4
    configuration = {"measurement_id": account.measurement_id, "base_url": f"{address}/api/ga4"}
    return configuration, {"api_secret": account.api_secret}


def _openai(platforms: Platforms, address: str) -> Values:
    account = platforms.openai
    return {"pixel_id": account.pixel_id, "base_url": f"{address}/api/openai"}, {"api_key": account.api_key}


VALUES: Mapping[str, Callable[[Platforms, str], Values]] = {
    "meta": _meta,
    "google_ads": _google,
    "ga4": _ga4,
    "openai_ads": _openai,
}


def _google_spend(platforms: Platforms, address: str) -> Values:
    reports, base = platforms.google_reports, f"{address}/api/google-ads"
    configuration = {"customer_id": reports.account.account_id, "client_id": reports.client_id, "base_url": base,
                     "token_url": f"{base}/token"}  # fmt: skip
    names = ("developer_token", "client_secret", "refresh_token")
    return configuration, {name: getattr(reports, name) for name in names}


def _meta_spend(platforms: Platforms, address: str) -> Values:
    reports = platforms.meta_reports
    configuration = {"account_id": reports.account.account_id, "base_url": f"{address}/api/meta"}
    return configuration, {"access_token": reports.access_token}


SPEND_VALUES: Mapping[str, Callable[[Platforms, str], Values]] = {
    "google_ads": _google_spend,
    "meta_ads": _meta_spend,
}
