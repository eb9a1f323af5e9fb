"""What operations read of the warehouse: with the tenant's account, which can read only its own rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from echolead.known_leads import visitors_of
from echolead.leads.timeline import TenantRows
from echolead.operational.errors import ChangeRefused
from echolead.warehouse import connect
from echolead.warehouse_accounts import tenant_url
from ingest_api.control.call import Call
from ingest_api.control.refusals import refusals
from ingest_api.http.problems import CONTROL_UNAVAILABLE, Problem

QUERY_SECONDS = 10


@contextmanager
def reading(call: Call) -> Iterator[Client]:
    """A client with the account of the call's tenant. Raises `Problem` when the warehouse does not answer."""
    settings = call.control.settings
    key = settings.clickhouse_tenant_key.get_secret_value()
    address = settings.clickhouse_console_url or settings.clickhouse_url.get_secret_value()
    if not key or not address:
        raise Problem(CONTROL_UNAVAILABLE, "ECHOLEAD_CLICKHOUSE_TENANT_KEY and _CONSOLE_URL are not set for the API.")
    try:
        client = connect(tenant_url(address, key, call.tenant_id), query_timeout_seconds=QUERY_SECONDS)
        try:
            yield client
        finally:
            client.close()
    except ClickHouseError as error:
        raise Problem(CONTROL_UNAVAILABLE, "The warehouse does not answer, or has not been built yet.") from error


@contextmanager
def asking(call: Call) -> Iterator[TenantRows]:
    """Runs statements as the call's tenant; moments of the rows are in UTC. Raises `Problem` as `reading`."""
    with reading(call) as client:

        def ask(sql: str, **bound: Any) -> list[dict[str, Any]]:
            found = client.query(sql, parameters={"tenant_id": call.tenant_id, **bound})
            return [{name: _utc(value) for name, value in row.items()} for row in found.named_results()]

        yield ask


def moment_and_id(at: str, row_id: str) -> tuple[str, str]:
    """The key of lists that are sorted by a moment and an id, for `after`, as the warehouse reads it."""
    moment = datetime.fromisoformat(at).astimezone(UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3], str(row_id)


def check_leads(call: Call, *lead_ids: str) -> None:
    """Raises `Problem` unless the tenant has these leads."""
    with refusals(), reading(call) as client:
        for lead_id in lead_ids:
            visitors_of(client, call.tenant_id, lead_id)


def check_visitors(call: Call, lead_id: str, tracking_ids: Sequence[str]) -> None:
    """Raises `Problem` unless these are visitors of the lead, and not all of them."""
    with refusals(), reading(call) as client:
        own = visitors_of(client, call.tenant_id, lead_id)
    with refusals():
        if strangers := sorted(set(tracking_ids) - own):
            raise ChangeRefused(f"Lead {lead_id} has no visitor {strangers[0]}: it has {', '.join(sorted(own))}.")
        if own <= set(tracking_ids):
            raise ChangeRefused("These are all visitors of the lead: leave out those that stay.")


def _utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
