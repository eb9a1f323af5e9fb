"""Destinations: the products, the configuration that each needs, and the destinations of a tenant."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import ChangeRefused
from echolead.operational.models import Destination
from echolead.operational.named_rows import check_name_is_free
from echolead.outbound import Place, check_url
from echolead.security import Vault


class _Told(BaseModel):
    """The values of `--set` and `--secret` for a product; an unknown name is an error."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class ChatwootConfiguration(_Told):
    """The URL and id of one Chatwoot account, and the API inbox for the leads' conversations."""

    base_url: str
    account_id: int = Field(gt=0)
    inbox_id: int = Field(gt=0)

    @field_validator("base_url")
    @classmethod
    def _without_slash(cls, url: str) -> str:
        return url.rstrip("/")


class ChatwootSecrets(_Told):
    """The access token of a Chatwoot agent (profile settings) or agent bot."""

    api_access_token: str = Field(min_length=8)


class SalesforceConfiguration(_Told):
    """One org: its My Domain address and the connected app's consumer key, and how leads are made there.

    `assignment_rule`: whether the org's rule gives new leads their owner; updates never run it. `allow_duplicates`:
    whether a lead that a duplicate rule warns of is saved. `filler`: what a new lead without a family name or company
    has there. `batch_size`: leads a call, fewer where triggers take long.
    """

    instance_url: str
    client_id: str = Field(min_length=1)
    assignment_rule: bool = True
    allow_duplicates: bool = True
    filler: str = Field(default="[not provided]", min_length=1, max_length=80)
    batch_size: int = Field(default=200, ge=1, le=200)

    @field_validator("instance_url")
    @classmethod
    def _without_slash(cls, url: str) -> str:
        return url.rstrip("/")


class SalesforceSecrets(_Told):
    """The connected app's consumer secret; a refresh token where the app has no run-as user for client credentials."""

    client_secret: str = Field(min_length=8)
    refresh_token: str = ""


class RDStationConfiguration(_Told):
    """One account of RD Station Marketing, through an app of the RD Station App Store.

    `conversion_prefix` begins the identifiers of conversions: `echolead-lead`, `echolead-qualificado`,
    `echolead-venda`.
    """

    client_id: str = Field(min_length=1)
    base_url: str = "https://api.rd.services"
    conversion_prefix: str = Field(default="echolead", pattern="^[a-z0-9][a-z0-9-]{0,60}$")

    @field_validator("base_url")
    @classmethod
    def _without_slash(cls, url: str) -> str:
        return url.rstrip("/")


class RDStationCRMConfiguration(_Told):
    """One account of RD Station CRM, through an app of its own; where a new deal begins."""

    client_id: str = Field(min_length=1)
    base_url: str = "https://api.rd.services"
    crm_url: str = "https://api.rd.services/crm/v2"
    pipeline_id: str = ""
    stage_id: str = ""

    @field_validator("base_url", "crm_url")
    @classmethod
    def _without_slash(cls, url: str) -> str:
        return url.rstrip("/")


class RDStationSecrets(_Told):
    """The app's client secret, and the refresh token that the account's consent to the app gave."""

    client_secret: str = Field(min_length=8)
    refresh_token: str = Field(min_length=8)


@dataclass(frozen=True)
class Kind:
    """A product: the models of its configuration and secrets, and the fields that contain an address to call.

    `calls_per_delivery` estimates the cost of a re-sync as long as the ledger has no deliveries to go by.
    """

    configuration: type[BaseModel]
    secrets: type[BaseModel]
    addresses: tuple[str, ...]
    calls_per_delivery: float = 6.0


KINDS: Mapping[str, Kind] = {
    "chatwoot": Kind(ChatwootConfiguration, ChatwootSecrets, addresses=("base_url",)),
    "rdstation": Kind(RDStationConfiguration, RDStationSecrets, addresses=("base_url",)),
    "rdstation_crm": Kind(RDStationCRMConfiguration, RDStationSecrets, addresses=("base_url", "crm_url")),
    "salesforce": Kind(SalesforceConfiguration, SalesforceSecrets, addresses=("instance_url",)),
}


@dataclass(frozen=True)
class CheckedConfiguration:
    """Checked configuration and secrets of a destination, ready to be stored."""

    configuration: dict[str, Any]
    secrets: dict[str, str]


def check_configuration(
    kind: str,
    configuration: Mapping[str, Any],
    secrets: Mapping[str, Any],
    *,
    allow_private: bool,
    private_places: Collection[Place],
) -> CheckedConfiguration:
    """The validated values in their types.

    Raises `ChangeRefused` naming every value that is missing, unknown or wrong, `UnsafeAddress` for an address that
    must not be called.
    """
    product = KINDS.get(kind)
    if product is None:
        raise ChangeRefused(f"There is no destination {kind!r}: use {', '.join(KINDS)}.")
    try:
        checked = product.configuration.model_validate(dict(configuration))
    except ValidationError as error:
        raise ChangeRefused(_problems(kind, error, product.configuration, "--set")) from None
    try:
        hidden = product.secrets.model_validate(dict(secrets))
    except ValidationError as error:
        raise ChangeRefused(_problems(kind, error, product.secrets, "--secret")) from None
    values = checked.model_dump(mode="json")
    for name in product.addresses:
        check_url(values[name], allow_private=allow_private, private_places=private_places)
    return CheckedConfiguration(values, hidden.model_dump(mode="json"))


def add_destination(
    session: Session,
    vault: Vault,
    tenant_id: str,
    kind: str,
    checked: CheckedConfiguration,
    *,
    actor: str,
    name: str | None = None,
) -> Destination:
    """A new, enabled destination of the tenant, named after its kind unless `name` is given.

    Raises `NotFound`, `AlreadyThere`.
    """
    chosen = name or kind
    check_name_is_free(session, Destination, tenant_id, chosen)
    destination = Destination(
        tenant_id=tenant_id,
        kind=kind,
        name=chosen,
        configuration=checked.configuration,
        secrets=vault.encrypt(checked.secrets),
    )
    session.add(destination)
    session.flush()
    session.refresh(destination)
    _record(session, destination, "destination.added", actor, configuration=checked.configuration)
    return destination


def update_destination(
    session: Session,
    vault: Vault,
    destination: Destination,
    *,
    configuration: Mapping[str, Any],
    secrets: Mapping[str, str],
    allow_private: bool,
    private_places: Collection[Place],
    actor: str,
) -> Destination:
    """Replace the values given and keep the others. Raises `ChangeRefused`, `UnsafeAddress`, `Undecryptable`."""
    checked = check_configuration(
        destination.kind,
        {**destination.configuration, **configuration},
        {**vault.decrypt(destination.secrets), **secrets},
        allow_private=allow_private,
        private_places=private_places,
    )
    destination.configuration = checked.configuration
    if secrets:
        destination.secrets = vault.encrypt(checked.secrets)
    session.flush()
    _record(
        session,
        destination,
        "destination.updated",
        actor,
        configuration=checked.configuration,
        replaced_secrets=sorted(secrets),
    )
    return destination


def set_enabled(session: Session, destination: Destination, is_enabled: bool, *, actor: str) -> Destination:
    """Start or stop delivering to a destination; waiting deliveries are kept."""
    if destination.is_enabled != is_enabled:
        destination.is_enabled = is_enabled
        session.flush()
        _record(session, destination, "destination.enabled" if is_enabled else "destination.disabled", actor)
    return destination


def _record(session: Session, destination: Destination, action: str, actor: str, **detail: Any) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=destination.name,
        tenant_id=destination.tenant_id,
        kind=destination.kind,
        **detail,
    )


def _problems(kind: str, error: ValidationError, shape: type[BaseModel], option: str) -> str:
    """One sentence that names each problem, but never the value, which may be a secret."""
    problems = []
    for found in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in found["loc"])
        if found["type"] == "missing":
            problems.append(f"{name} is missing (add {option} {name}=…)")
        elif found["type"] == "extra_forbidden":
            problems.append(f"{name} is not known (there are {', '.join(shape.model_fields)})")
        else:
            problems.append(f"{name} is wrong: {found['msg'][0].lower()}{found['msg'][1:]}")
    return f"The {kind} destination cannot work with this: {'; '.join(problems)}."
