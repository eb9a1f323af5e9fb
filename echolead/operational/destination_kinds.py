"""The configuration and secrets of each kind of destination, and the addresses among them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from echolead.webhooks import signer

DIGITS = r"^\d{3,20}$"
GA4_NAME = r"^[A-Za-z][A-Za-z0-9_]{0,39}$"
WithoutSlash = Annotated[str, AfterValidator(lambda url: url.rstrip("/"))]


class _KindValues(BaseModel):
    """The values of `--set` and `--secret` for a product; an unknown name is an error."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class PaceSettings(_KindValues):
    """How fast a destination of any product is called, in place of what the product has, and how much of a daily quota
    is kept for new leads.
    """

    requests_per_second: float | None = Field(default=None, ge=0.1, le=1000)
    concurrency: int | None = Field(default=None, ge=1, le=1000)
    daily_reserve_percent: float | None = Field(default=None, ge=0, le=100)


class ChatwootConfiguration(_KindValues):
    """The URL and id of one Chatwoot account, and the API inbox for the leads' conversations."""

    base_url: WithoutSlash
    account_id: int = Field(gt=0)
    inbox_id: int = Field(gt=0)


class ChatwootSecrets(_KindValues):
    """The access token of a Chatwoot agent (profile settings) or agent bot."""

    api_access_token: str = Field(min_length=8)


class HubSpotConfiguration(_KindValues):
    """One HubSpot account; a deal for each lead, and the form that names its browser, only where they are set."""

    base_url: WithoutSlash = "https://api.hubapi.com"
    forms_url: str = "https://api.hsforms.com"
    deal_pipeline: str = ""
    deal_stage: str = ""
    portal_id: int | None = Field(default=None, gt=0)
    form_guid: str = ""

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if bool(self.deal_pipeline) != bool(self.deal_stage):
            raise ValueError("deal_pipeline and deal_stage belong together")
        if (self.portal_id is None) != (not self.form_guid):
            raise ValueError("portal_id and form_guid belong together")
        return self


class HubSpotSecrets(_KindValues):
    """The access token of a private app of the account."""

    access_token: str = Field(min_length=8)


class WebhookConfiguration(_KindValues):
    """The address that signed messages are posted to."""

    url: str


class WebhookSecrets(_KindValues):
    """What messages are signed with: `whsec_…` (HMAC) or `whsk_…` (ed25519). While a secret is replaced, the earlier
    one is `previous_secret`, and messages have the signatures of both.
    """

    secret: str = Field(min_length=8)
    previous_secret: str = ""

    @field_validator("secret", "previous_secret")
    @classmethod
    def _can_sign(cls, secret: str) -> str:
        if secret:
            signer(secret)
        return secret


class MetaConfiguration(_KindValues):
    """The data set (pixel) that events go to, and what they are called there.

    With `test_event_code`, from Test Events in Events Manager, `destination test` sends an event that counts nowhere.
    With `whatsapp_business_account_id` leads of ads that lead into WhatsApp are reported as well.
    """

    pixel_id: str = Field(pattern=r"^\d{5,20}$")
    lead_event: str = Field(default="Lead", min_length=1, max_length=50)
    qualified_event: str = Field(default="QualifiedLead", min_length=1, max_length=50)
    won_event: str = Field(default="Purchase", min_length=1, max_length=50)
    test_event_code: str = ""
    whatsapp_business_account_id: str = Field(default="", pattern=r"^\d{0,20}$")
    version: str = Field(default="v25.0", pattern=r"^v\d+\.\d+$")
    base_url: WithoutSlash = "https://graph.facebook.com"


class MetaSecrets(_KindValues):
    """The access token of a system user with the right to the data set."""

    access_token: str = Field(min_length=8)


class PipedriveConfiguration(_KindValues):
    """One Pipedrive account; `makes` says what a lead becomes besides a person, `stage_id` where its deal begins."""

    base_url: WithoutSlash = "https://api.pipedrive.com"
    makes: Literal["person", "lead", "deal"] = "person"
    stage_id: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _stage_of_deals(self) -> Self:
        if self.stage_id is not None and self.makes != "deal":
            raise ValueError("stage_id is for makes=deal")
        return self


class PipedriveSecrets(_KindValues):
    """The API token of a Pipedrive user (Personal preferences, API)."""

    api_token: str = Field(min_length=8)


class SalesforceConfiguration(_KindValues):
    """One org: its My Domain address and the connected app's consumer key, and how leads are made there.

    `assignment_rule`: whether the org's rule gives new leads their owner; updates never run it. `allow_duplicates`:
    whether a lead that a duplicate rule warns of is saved. `filler`: what a new lead without a family name or company
    has there. `batch_size`: leads a call, fewer where triggers take long.
    """

    instance_url: WithoutSlash
    client_id: str = Field(min_length=1)
    assignment_rule: bool = True
    allow_duplicates: bool = True
    filler: str = Field(default="[not provided]", min_length=1, max_length=80)
    batch_size: int = Field(default=200, ge=1, le=200)


class SalesforceSecrets(_KindValues):
    """The connected app's consumer secret; a refresh token where the app has no run-as user for client credentials."""

    client_secret: str = Field(min_length=8)
    refresh_token: str = ""


class RDStationConfiguration(_KindValues):
    """One account of RD Station Marketing, through an app of the RD Station App Store.

    `conversion_prefix` begins the identifiers of conversions: `echolead-lead`, `echolead-qualificado`,
    `echolead-venda`.
    """

    client_id: str = Field(min_length=1)
    base_url: WithoutSlash = "https://api.rd.services"
    conversion_prefix: str = Field(default="echolead", pattern="^[a-z0-9][a-z0-9-]{0,60}$")


class RDStationCRMConfiguration(_KindValues):
    """One account of RD Station CRM, through an app of its own; where a new deal begins."""

    client_id: str = Field(min_length=1)
    base_url: WithoutSlash = "https://api.rd.services"
    crm_url: WithoutSlash = "https://api.rd.services/crm/v2"
    pipeline_id: str = ""
    stage_id: str = ""


class RDStationSecrets(_KindValues):
    """The app's client secret, and the refresh token that the account's consent to the app gave."""

    client_secret: str = Field(min_length=8)
    refresh_token: str = Field(min_length=8)


class GoogleAdsConfiguration(_KindValues):
    """The Google Ads account, by the digits of its customer id, and the ids of its conversion actions.

    An event without an action is not sent. `login_customer_id` is the manager account that has the right to it.
    """

    customer_id: str = Field(pattern=DIGITS)
    login_customer_id: str = Field(default="", pattern=rf"{DIGITS}|^$")
    lead_action: str = Field(default="", pattern=rf"{DIGITS}|^$")
    qualified_action: str = Field(default="", pattern=rf"{DIGITS}|^$")
    won_action: str = Field(default="", pattern=rf"{DIGITS}|^$")
    base_url: WithoutSlash = "https://datamanager.googleapis.com"

    @field_validator("customer_id", "login_customer_id", mode="before")
    @classmethod
    def _without_dashes(cls, account: str) -> str:
        return str(account).replace("-", "").strip()


class GoogleAdsSecrets(_KindValues):
    """The JSON of a key of a service account that is a user of the Google Ads account."""

    service_account: str

    @field_validator("service_account")
    @classmethod
    def _is_a_key(cls, text: str) -> str:
        try:
            key = json.loads(text)
        except ValueError:
            raise ValueError("it is not JSON") from None
        lacking = [name for name in ("client_email", "private_key", "token_uri") if name not in key]
        if lacking:
            raise ValueError(f"it lacks {', '.join(lacking)}")
        return text


class Ga4Configuration(_KindValues):
    """The measurement id of a web stream, and what the events are called there; a dash in a name becomes `_`."""

    measurement_id: str = Field(pattern=r"^G-[A-Z0-9]{4,20}$")
    lead_event: str = Field(default="generate_lead", pattern=GA4_NAME)
    qualified_event: str = Field(default="qualify_lead", pattern=GA4_NAME)
    won_event: str = Field(default="close_convert_lead", pattern=GA4_NAME)
    base_url: WithoutSlash = "https://www.google-analytics.com"

    @field_validator("lead_event", "qualified_event", "won_event", mode="before")
    @classmethod
    def _without_dash(cls, name: str) -> str:
        return str(name).strip().replace("-", "_")


class Ga4Secrets(_KindValues):
    """The API secret of the stream (Measurement Protocol)."""

    api_secret: str = Field(min_length=8)


class OpenAiAdsConfiguration(_KindValues):
    """The pixel, and the name of the custom event for qualified leads."""

    pixel_id: str = Field(pattern=r"^[A-Za-z0-9_-]{4,64}$")
    qualified_event: str = Field(default="qualified_lead", pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")
    base_url: WithoutSlash = "https://bzr.openai.com"


class OpenAiAdsSecrets(_KindValues):
    """The key of the Conversions API."""

    api_key: str = Field(min_length=8)


@dataclass(frozen=True)
class Kind:
    """A product: the models of its configuration and secrets, and the fields that contain an address to call.

    `has_mapping`: a tenant says which property gets what (docs/reference/mapping.md).
    `calls_per_delivery` estimates the cost of a re-sync as long as the ledger has no deliveries to go by.
    """

    configuration: type[BaseModel]
    secrets: type[BaseModel]
    addresses: tuple[str, ...]
    has_mapping: bool = False
    calls_per_delivery: float = 6.0


KINDS: Mapping[str, Kind] = {
    "chatwoot": Kind(ChatwootConfiguration, ChatwootSecrets, addresses=("base_url",)),
    "hubspot": Kind(HubSpotConfiguration, HubSpotSecrets, addresses=("base_url", "forms_url"), has_mapping=True),
    "pipedrive": Kind(PipedriveConfiguration, PipedriveSecrets, addresses=("base_url",), has_mapping=True),
    "rdstation": Kind(RDStationConfiguration, RDStationSecrets, addresses=("base_url",), has_mapping=True),
    "rdstation_crm": Kind(RDStationCRMConfiguration, RDStationSecrets, addresses=("base_url", "crm_url")),
    "salesforce": Kind(SalesforceConfiguration, SalesforceSecrets, addresses=("instance_url",), has_mapping=True),
    "webhook": Kind(WebhookConfiguration, WebhookSecrets, addresses=("url",)),
    "ga4": Kind(Ga4Configuration, Ga4Secrets, addresses=("base_url",)),
    "google_ads": Kind(GoogleAdsConfiguration, GoogleAdsSecrets, addresses=("base_url",)),
    "openai_ads": Kind(OpenAiAdsConfiguration, OpenAiAdsSecrets, addresses=("base_url",)),
    "meta": Kind(MetaConfiguration, MetaSecrets, addresses=("base_url",)),
}
