"""Pulling the conversations of every Chatwoot account that tenants deliver to; each account's trouble is its own."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import psycopg
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from dlt.extract import DltSource
from sqlalchemy import Engine, func, select
from sqlalchemy.dialects.postgresql import insert

from dlt_pipelines import raw
from dlt_pipelines.chatwoot.account import AccountReader, CallsUsedUp, PullFailed
from dlt_pipelines.chatwoot.erased import erased_contacts
from dlt_pipelines.chatwoot.known import KnownInWarehouse, last_pull
from dlt_pipelines.chatwoot.records import ChatRecord, without_contact
from dlt_pipelines.chatwoot.walk import PullProgress, Walk
from dlt_pipelines.lease import Lease
from dlt_pipelines.tables import TABLES
from echolead.operational.database import connect, system_session
from echolead.operational.models import ChatPull, ChatSettings, Destination, Tenant
from echolead.security import Undecryptable, Vault
from echolead.settings import Settings
from echolead.warehouse import connect as connect_warehouse

LEASE = "chat-pull"
PIPELINE = "chat"
SOURCE = "chatwoot"
MOST_CALLS = 600
"""Of one account in one pull."""
ACCOUNT_SECONDS = 60.0
PULL_SECONDS = 240.0
"""For all accounts together. Those that were not reached come first the next time."""
MAX_ERROR = 500

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PulledChats:
    """What the pull of one account did; `error` is a sentence when it did not come to its end."""

    tenant_id: str
    destination: str
    records: int = 0
    is_behind: bool = False
    error: str = ""


@dataclass(frozen=True)
class PulledAccount:
    """A destination whose account is pulled: how far it has come, and whether the tenant keeps texts."""

    destination: Destination
    progress: PullProgress
    keeps_texts: bool


def pull(settings: Settings, tenant_id: str | None = None) -> list[PulledChats]:
    """Pull every account, or those of one tenant, the one that waits longest first.

    Waits while another process pulls. The raw tables must exist. Raises the errors of PostgreSQL and the warehouse.
    """
    database = connect(
        settings.postgres_deliveries_url.get_secret_value(), pool_size=1, application_name="echolead chat"
    )
    started = time.monotonic()
    done: list[PulledChats] = []
    try:
        with (
            Lease(settings.postgres_deliveries_url.get_secret_value(), LEASE),
            closing(connect_warehouse(settings.clickhouse("loader"))) as warehouse,
        ):
            puller = Puller(settings, database, warehouse)
            for account in puller.accounts(tenant_id):
                if time.monotonic() - started > PULL_SECONDS:
                    break
                done.append(puller.pull(account))
    finally:
        database.dispose()
    return done


class Puller:
    """Pulls one account after the other. Hold `LEASE`."""

    def __init__(self, settings: Settings, database: Engine, warehouse: Client) -> None:
        self._settings = settings
        self._database = database
        self._warehouse = warehouse
        self._vault = Vault.of_destinations(settings)

    def accounts(self, tenant_id: str | None) -> list[PulledAccount]:
        """The enabled Chatwoot destinations of active tenants, those first that wait longest."""
        query = (
            select(Destination, ChatPull, ChatSettings.keeps_texts)
            .join(Tenant, Tenant.tenant_id == Destination.tenant_id)
            .outerjoin(ChatPull, ChatPull.destination_id == Destination.destination_id)
            .outerjoin(ChatSettings, ChatSettings.tenant_id == Destination.tenant_id)
            .where(Tenant.is_active, Destination.is_enabled, Destination.kind == SOURCE)
            .order_by(ChatPull.tried_at.nulls_first(), Destination.destination_id)
        )
        if tenant_id is not None:
            query = query.where(Destination.tenant_id == tenant_id)
        with system_session(self._database) as session:
            found = [
                PulledAccount(destination, _progress(pulled), bool(keeps_texts))
                for destination, pulled, keeps_texts in session.execute(query).all()
            ]
            session.expunge_all()
        return found

    def pull(self, account: PulledAccount) -> PulledChats:
        """Read what is new, append it, and note how far it has come; in this order, so that nothing is skipped."""
        destination, progress = account.destination, account.progress
        found: list[ChatRecord] = []
        error = ""
        account_id = 0
        try:
            walk = self._walk(destination, account.keeps_texts)
            account_id, found = walk.account.account_id, walk.found
            progress = asyncio.run(_within(walk, progress))
        except (PullFailed, Undecryptable) as caught:
            error = str(caught)
        except TimeoutError:
            error = f"The account did not answer everything within {ACCOUNT_SECONDS:.0f} s."
        except CallsUsedUp:
            error = "Chatwoot asks to wait: the next pull goes on."
        self._append(destination, account_id, self._without_erased(destination, account_id, found))
        self._note(destination, progress, error[:MAX_ERROR])
        if error:
            log.warning("chats of %s at %s: %s", destination.tenant_id, destination.name, error)
        is_behind = bool(error) or progress.gap_page is not None
        return PulledChats(destination.tenant_id, destination.name, len(found), is_behind, error)

    def _walk(self, destination: Destination, keeps_texts: bool) -> Walk:
        token = self._vault.decrypt(destination.secrets).get("api_access_token", "")
        account = AccountReader(self._settings, destination.configuration, token, most_calls=MOST_CALLS)
        known = KnownInWarehouse(self._warehouse, destination.tenant_id, str(destination.destination_id))
        return Walk(account, known, keeps_texts)

    def _without_erased(
        self, destination: Destination, account_id: int, found: Sequence[ChatRecord]
    ) -> Sequence[ChatRecord]:
        """The same records, which do not say who an erased person's contact is."""
        if not found:
            return found
        with psycopg.connect(
            self._settings.postgres_deliveries_url.get_secret_value(), connect_timeout=5,
            application_name="echolead chat",
        ) as connection:  # fmt: skip
            erased = erased_contacts(connection).get(destination.tenant_id, ())
        return [without_contact(each, account_id, erased) for each in found] if erased else found

    def _append(self, destination: Destination, account_id: int, found: Sequence[ChatRecord]) -> None:
        """One package, so that a conversation is there with its messages or not at all."""
        if not found:
            return
        content = _arrow(destination, account_id, found, last_pull(self._warehouse) + 1)
        pipeline = raw.fresh_pipeline(PIPELINE, self._settings)
        try:
            resource = raw.resource(TABLES["chat_records"], partial(_given, content))
            pipeline.run(DltSource(raw.schema(PIPELINE), PIPELINE, [resource]), loader_file_format="parquet")
        finally:
            raw.close(pipeline)

    def _note(self, destination: Destination, progress: PullProgress, error: str) -> None:
        reached = {"reached_at": progress.reached_at, "gap_page": progress.gap_page, "gap_until": progress.gap_until}
        now = func.clock_timestamp()
        said = {**reached, "error": error or None, "tried_at": now, **({} if error else {"pulled_at": now})}
        key = {"tenant_id": destination.tenant_id, "destination_id": destination.destination_id}
        statement = insert(ChatPull).values(**key, **said)
        with system_session(self._database) as session:
            session.execute(statement.on_conflict_do_update(index_elements=[*key], set_=said))


async def _within(walk: Walk, progress: PullProgress) -> PullProgress:
    async with walk.account, asyncio.timeout(ACCOUNT_SECONDS):
        return await walk.run(progress)


def _progress(pulled: ChatPull | None) -> PullProgress:
    return PullProgress() if pulled is None else PullProgress(pulled.reached_at, pulled.gap_page, pulled.gap_until)


def _given(content: pa.Table) -> pa.Table:
    return content


def _arrow(destination: Destination, account_id: int, found: Sequence[ChatRecord], load_seq: int) -> pa.Table:
    now = datetime.now(UTC)
    rows = [
        {
            "tenant_id": destination.tenant_id,
            "source": SOURCE,
            "destination_id": str(destination.destination_id),
            "account_id": account_id,
            "kind": record.kind,
            "conversation_id": record.conversation_id,
            "record_id": record.record_id,
            "version_at": record.version_at,
            "payload": record.payload,
            "loaded_at": now,
            "load_seq": load_seq,
            "_dlt_load_id": "",
            "_dlt_id": record.digest(str(destination.destination_id)),
        }
        for record in found
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["chat_records"].columns)
