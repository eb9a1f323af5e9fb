"""The rates of a tenant: what other currencies are worth in its own."""

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation

from sqlalchemy import select
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.errors import ChangeRefused, NotFound
from echolead.operational.models import TenantRate
from echolead.operational.tenants import get_tenant

ALWAYS = date(1970, 1, 1)
UNKNOWN = Decimal(0)
MOST = Decimal(10**9)
LEAST = Decimal("0.00000001")


def set_rate(
    session: Session, tenant_id: str, currency: str, rate: str, *, from_date: date = ALWAYS, actor: str
) -> TenantRate:
    """Say what one unit of `currency` is worth in the tenant's own from a day on, until that of the next rate.

    A rate of the same day is replaced. Raises `NotFound`, `ChangeRefused` for a wrong currency or rate.
    """
    return _keep(session, tenant_id, currency, _read(rate), from_date, actor)


def end_rate(session: Session, tenant_id: str, currency: str, *, from_date: date, actor: str) -> TenantRate:
    """Say that no rate is known from a day on, until that of the next: amounts stay in their currency.

    Raises `NotFound`, `ChangeRefused`.
    """
    return _keep(session, tenant_id, currency, UNKNOWN, from_date, actor)


def _keep(session: Session, tenant_id: str, currency: str, value: Decimal, from_date: date, actor: str) -> TenantRate:
    own = get_tenant(session, tenant_id).currency
    if not re.fullmatch("[A-Z]{3}", currency):
        raise ChangeRefused(f"{currency!r} is not a currency: use three capital letters, as in USD.")
    if currency == own:
        raise ChangeRefused(f"{currency} is the tenant's own currency, which needs no rate.")
    if from_date < ALWAYS or from_date.year > 2105:
        raise ChangeRefused(f"{from_date} cannot be a rate's day: use one from {ALWAYS} to 2105-12-31.")
    present = session.get(TenantRate, (tenant_id, currency, from_date))
    if present is None:
        present = TenantRate(tenant_id=tenant_id, currency=currency, from_date=from_date, rate=value)
        session.add(present)
    else:
        present.rate = value
    session.flush()
    said = {"currency": currency, "rate": str(value) if value else "none", "from_date": str(from_date)}
    audit.record(session, actor=actor, action="tenant.rate_set", subject=currency, tenant_id=tenant_id, **said)
    session.refresh(present)
    return present


def remove_rate(session: Session, tenant_id: str, currency: str, *, from_date: date = ALWAYS, actor: str) -> TenantRate:
    """Remove the rate that holds from this day on: the one before it holds on. Raises `NotFound`."""
    get_tenant(session, tenant_id)
    present = session.get(TenantRate, (tenant_id, currency, from_date))
    if present is None:
        known = ", ".join(f"{each.currency} from {each.from_date}" for each in list_rates(session, tenant_id))
        raise NotFound(f"Tenant {tenant_id} has no rate of {currency} from {from_date}: there is {known or 'none'}.")
    session.delete(present)
    session.flush()
    said = {"currency": currency, "from_date": str(from_date)}
    audit.record(session, actor=actor, action="tenant.rate_removed", subject=currency, tenant_id=tenant_id, **said)
    return present


def list_rates(session: Session, tenant_id: str) -> Sequence[TenantRate]:
    """The tenant's rates by currency and day. Raises `NotFound` for an unknown tenant."""
    get_tenant(session, tenant_id)
    order = (TenantRate.currency, TenantRate.from_date)
    return session.scalars(select(TenantRate).where(TenantRate.tenant_id == tenant_id).order_by(*order)).all()


def _read(rate: str) -> Decimal:
    try:
        value = Decimal(rate)
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or not LEAST <= value < MOST:
        raise ChangeRefused(f"{rate!r} is not a rate: give a number from {LEAST:f} to {MOST}, as in 5.42.")
    return value
