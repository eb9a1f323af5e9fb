"""What a destination said last of its day's calls, as operations answer it."""

from uuid import UUID

from sqlalchemy.orm import Session

from echolead.operational.models import DestinationQuota
from echolead.operational.resync import present_quotas
from ingest_api.control.answers import Moment, View


class QuotaView(View):
    """What a destination with a daily quota said last: so many calls are left of so many."""

    destination: str
    calls_left: int
    calls_limit: int
    resets_at: Moment
    said_at: Moment


def quota_view(row: DestinationQuota, destination: str) -> QuotaView:
    """The row of a destination of this name."""
    said = {name: getattr(row, name) for name in ("calls_left", "calls_limit", "resets_at")}
    return QuotaView(destination=destination, said_at=row.updated_at, **said)


def quotas_by_destination(session: Session, tenant_id: str) -> dict[UUID, DestinationQuota]:
    """What was said of the present day, by destination. Reads a row of each destination of the tenant."""
    return {row.destination_id: row for row in present_quotas(session, tenant_id)}
