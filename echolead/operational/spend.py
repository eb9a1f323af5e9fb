"""A tenant's ad accounts and the names that stand for its campaigns; each change is in the audit log."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import psycopg
from pydantic import BaseModel, ValidationError
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.destinations import CheckedConfiguration, problems_of
from echolead.operational.errors import ChangeRefused, NotFound
from echolead.operational.models import CampaignAlias, SpendPull, SpendSource
from echolead.operational.named_rows import check_name_is_free, get_named
from echolead.operational.spend_kinds import SPEND_KINDS
from echolead.operational.tenants import get_tenant
from echolead.outbound import Place, check_url
from echolead.rules.folding import folded
from echolead.security import Vault

MAX_ALIASES = 5000
MAX_CHARACTERS = 500
FAILING = """
    select pulls.tenant_id, spend_sources.name, pulls.failing_since, pulls.message from spend_pulls as pulls
    join spend_sources using (tenant_id, source_id)
    where pulls.failing_since < clock_timestamp() - interval '12 hours' and spend_sources.is_enabled
    order by pulls.tenant_id, spend_sources.name
"""


def check_spend_source(
    platform: str,
    configuration: Mapping[str, Any],
    secrets: Mapping[str, Any],
    *,
    allow_private: bool,
    private_places: Collection[Place],
) -> CheckedConfiguration:
    """The validated values. Raises `ChangeRefused` naming what is wrong, `UnsafeAddress` for an address not to call."""
    kind = SPEND_KINDS.get(platform)
    if kind is None:
        known = ", ".join(SPEND_KINDS)
        raise ChangeRefused(f"Spend of {platform!r} is not pulled: use {known}, or load a file.")
    checked = _validated(platform, kind.configuration, configuration, "--set").model_dump(mode="json")
    hidden = _validated(platform, kind.secrets, secrets, "--secret").model_dump(mode="json")
    for each in kind.addresses:
        check_url(checked[each], allow_private=allow_private, private_places=private_places)
    return CheckedConfiguration(checked, hidden)


def add_spend_source(
    session: Session,
    vault: Vault,
    tenant_id: str,
    platform: str,
    checked: CheckedConfiguration,
    *,
    actor: str,
    name: str | None = None,
) -> SpendSource:
    """A new account of the tenant whose spend is pulled. Raises `NotFound`, `AlreadyThere`."""
    chosen = name or platform
    check_name_is_free(session, SpendSource, tenant_id, chosen)
    source = SpendSource(
        tenant_id=tenant_id,
        platform=platform,
        name=chosen,
        configuration=checked.configuration,
        secrets=vault.encrypt(checked.secrets),
    )
    session.add(source)
    session.flush()
    session.refresh(source)
    said = {"platform": platform, "configuration": checked.configuration}
    audit.record(session, actor=actor, action="spend_source.added", subject=chosen, tenant_id=tenant_id, **said)
    return source


def remove_spend_source(session: Session, tenant_id: str, name: str, *, actor: str) -> SpendSource:
    """Stop pulling an account; what was loaded stays. Raises `NotFound`."""
    source = get_named(session, SpendSource, tenant_id, name)
    session.execute(delete(SpendPull).where(SpendPull.source_id == source.source_id))
    session.delete(source)
    session.flush()
    audit.record(session, actor=actor, action="spend_source.removed", subject=name, tenant_id=tenant_id)
    return source


def set_alias(
    session: Session, tenant_id: str, platform: str, alias: str, campaign_id: str, *, account_id: str = "", actor: str
) -> CampaignAlias:
    """Let a name or id in links stand for a campaign; another campaign replaces it. Case and accents do not count.

    Raises `NotFound`, `ChangeRefused`.
    """
    get_tenant(session, tenant_id)
    name = folded(alias)
    for value, what in ((name, "name"), (platform, "platform"), (campaign_id, "campaign id")):
        if not 0 < len(value) <= MAX_CHARACTERS:
            raise ChangeRefused(f"A {what} has 1 to {MAX_CHARACTERS} characters.")
    present = session.get(CampaignAlias, (tenant_id, platform, name))
    if present is None:
        if len(list_aliases(session, tenant_id)) >= MAX_ALIASES:
            raise ChangeRefused(f"Tenant {tenant_id} has {MAX_ALIASES} aliases already: remove one first.")
        present = CampaignAlias(tenant_id=tenant_id, platform=platform, alias=name, campaign_id=campaign_id)
        session.add(present)
    present.campaign_id, present.account_id = campaign_id, account_id
    session.flush()
    said = {"platform": platform, "campaign_id": campaign_id, "account_id": account_id}
    audit.record(session, actor=actor, action="campaign_alias.set", subject=name, tenant_id=tenant_id, **said)
    return present


def remove_alias(session: Session, tenant_id: str, platform: str, alias: str, *, actor: str) -> None:
    """Let a name stand for itself again. Raises `NotFound`."""
    present = session.get(CampaignAlias, (tenant_id, platform, folded(alias)))
    if present is None:
        raise NotFound(f"Tenant {tenant_id} has no alias {alias!r} of {platform}: see `echolead spend alias list`.")
    session.delete(present)
    session.flush()
    audit.record(
        session, actor=actor, action="campaign_alias.removed", subject=folded(alias), tenant_id=tenant_id,
        platform=platform,
    )  # fmt: skip


def list_aliases(session: Session, tenant_id: str) -> Sequence[CampaignAlias]:
    """The tenant's aliases by platform and name. Raises `NotFound` for an unknown tenant."""
    get_tenant(session, tenant_id)
    order = (CampaignAlias.platform, CampaignAlias.alias)
    return session.scalars(select(CampaignAlias).where(CampaignAlias.tenant_id == tenant_id).order_by(*order)).all()


def failing_spend_pulls(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    """(tenant, account, since, message) of each account whose spend could not be read for half a day."""
    return connection.execute(FAILING).fetchall()


def _validated(platform: str, shape: type[BaseModel], values: Mapping[str, Any], option: str) -> BaseModel:
    try:
        return shape.model_validate(dict(values))
    except ValidationError as error:
        raise ChangeRefused(problems_of(f"{platform} account", error, shape, option)) from None
