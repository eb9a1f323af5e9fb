"""Filters of a page that users keep, each for themselves in one tenant."""

import json
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from echolead.operational.errors import AlreadyThere, ChangeRefused, NotFound
from echolead.operational.models import FILTERED_PAGES, SavedFilter

MAX_FILTERS = 50
"""Of one page, for each user and tenant."""
MAX_ADDRESS_BYTES = 8_000
FilterParameters = Mapping[str, Sequence[str]]
"""The parameters of a page's address, each with its values."""


def list_filters(session: Session, tenant_id: str, user_id: UUID, page: str) -> Sequence[SavedFilter]:
    """The user's filters of a page, by name."""
    mine = select(SavedFilter).filter_by(tenant_id=tenant_id, user_id=user_id, page=page)
    return session.scalars(mine.order_by(func.lower(SavedFilter.name), SavedFilter.name).limit(MAX_FILTERS)).all()


def save_filter(
    session: Session,
    tenant_id: str,
    user_id: UUID,
    page: str,
    name: str,
    address: FilterParameters,
    *,
    opens_page: bool = False,
) -> SavedFilter:
    """Keep a filter under a new name. Raises `AlreadyThere`, `ChangeRefused`."""
    if page not in FILTERED_PAGES:
        raise ChangeRefused(f"The page {page!r} has no filters to keep: use {', '.join(FILTERED_PAGES)}.")
    kept = list_filters(session, tenant_id, user_id, page)
    chosen = _free_name(name, [each.name for each in kept])
    if len(kept) >= MAX_FILTERS:
        raise ChangeRefused(f"There are {MAX_FILTERS} filters already: delete those that are no longer used.")
    if opens_page:
        _open_with_none(session, tenant_id, user_id, page)
    row = SavedFilter(
        tenant_id=tenant_id, user_id=user_id, page=page, name=chosen, address=_checked(address), opens_page=opens_page
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    return row


def change_filter(
    session: Session,
    tenant_id: str,
    user_id: UUID,
    filter_id: UUID,
    *,
    name: str | None = None,
    address: FilterParameters | None = None,
    opens_page: bool | None = None,
) -> SavedFilter:
    """Change what is given; the others stay. Raises `NotFound`, `AlreadyThere`, `ChangeRefused`."""
    row = _own(session, tenant_id, user_id, filter_id)
    if name is not None:
        others = [each.name for each in list_filters(session, tenant_id, user_id, row.page) if each is not row]
        row.name = _free_name(name, others)
    if address is not None:
        row.address = _checked(address)
    if opens_page:
        _open_with_none(session, tenant_id, user_id, row.page)
    if opens_page is not None:
        row.opens_page = opens_page
    session.flush()
    return row


def delete_filter(session: Session, tenant_id: str, user_id: UUID, filter_id: UUID) -> None:
    """Forget a filter. Raises `NotFound`."""
    session.delete(_own(session, tenant_id, user_id, filter_id))
    session.flush()


def _own(session: Session, tenant_id: str, user_id: UUID, filter_id: UUID) -> SavedFilter:
    row = session.scalar(select(SavedFilter).filter_by(tenant_id=tenant_id, user_id=user_id, filter_id=filter_id))
    if row is None:
        raise NotFound(f"You keep no filter {filter_id} here: it may be deleted already.")
    return row


def _open_with_none(session: Session, tenant_id: str, user_id: UUID, page: str) -> None:
    """One filter opens a page: the one before gives way."""
    opening = update(SavedFilter).filter_by(tenant_id=tenant_id, user_id=user_id, page=page, opens_page=True)
    session.execute(opening.values(opens_page=False))


def _free_name(name: str, taken: Sequence[str]) -> str:
    chosen = name.strip()
    if not chosen:
        raise ChangeRefused("A filter needs a name.")
    if chosen in taken:
        raise AlreadyThere(f"You keep a filter {chosen!r} already: choose another name, or delete that one.")
    return chosen


def _checked(address: FilterParameters) -> dict[str, list[str]]:
    chosen = {key: list(values) for key, values in address.items() if values}
    size = len(json.dumps(chosen).encode())
    if size > MAX_ADDRESS_BYTES:
        raise ChangeRefused(f"The filter has {size} bytes, and {MAX_ADDRESS_BYTES} can be kept: choose fewer values.")
    return chosen
