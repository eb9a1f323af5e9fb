"""The configuration and secrets of accounts whose ad spend is pulled, by platform."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

DIGITS = r"^\d{3,20}$"
WithoutSlash = Annotated[str, AfterValidator(lambda url: url.rstrip("/"))]


class _SpendValues(BaseModel):
    """The values of `--set` and `--secret` for a platform; an unknown name is an error."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class GoogleAdsSpendConfiguration(_SpendValues):
    """A Google Ads account, by the digits of its customer id, and the OAuth client that may read it.

    `login_customer_id` is the manager account through which the user has access to it.
    """

    customer_id: str = Field(pattern=DIGITS)
    login_customer_id: str = Field(default="", pattern=rf"{DIGITS}|^$")
    client_id: str = Field(min_length=1)
    version: str = Field(default="v26", pattern=r"^v\d+$")
    base_url: WithoutSlash = "https://googleads.googleapis.com"
    token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105  # an address

    @field_validator("customer_id", "login_customer_id", mode="before")
    @classmethod
    def _without_dashes(cls, account: str) -> str:
        return str(account).replace("-", "").strip()


class GoogleAdsSpendSecrets(_SpendValues):
    """The developer token of the manager account, the OAuth client's secret, and a refresh token of the user."""

    developer_token: str = Field(min_length=8)
    client_secret: str = Field(min_length=8)
    refresh_token: str = Field(min_length=8)


class MetaAdsSpendConfiguration(_SpendValues):
    """An ad account of Meta's, by the digits of its id."""

    account_id: str = Field(pattern=DIGITS)
    version: str = Field(default="v25.0", pattern=r"^v\d+\.\d+$")
    base_url: WithoutSlash = "https://graph.facebook.com"

    @field_validator("account_id", mode="before")
    @classmethod
    def _without_prefix(cls, account: str) -> str:
        return str(account).strip().removeprefix("act_")


class MetaAdsSpendSecrets(_SpendValues):
    """The access token of a system user with `ads_read` on the account."""

    access_token: str = Field(min_length=8)


@dataclass(frozen=True)
class SpendKind:
    """The models of a platform's configuration and secrets, and the fields that contain an address to call."""

    configuration: type[BaseModel]
    secrets: type[BaseModel]
    addresses: tuple[str, ...]


SPEND_KINDS: Mapping[str, SpendKind] = {
    "google_ads": SpendKind(GoogleAdsSpendConfiguration, GoogleAdsSpendSecrets, ("base_url", "token_url")),
    "meta_ads": SpendKind(MetaAdsSpendConfiguration, MetaAdsSpendSecrets, ("base_url",)),
}
