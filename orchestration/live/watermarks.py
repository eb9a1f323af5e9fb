"""What has changed in the operational database since the last turn, asked in one cheap query."""

from dataclasses import dataclass

import psycopg

from echolead.operational.reconnecting import Reconnecting
from echolead.settings import Settings

QUERY = """
select
    (select (count(*), max(updated_at))::text from tenants)
        || (select (count(*), max(updated_at))::text from tenant_hosts)
        || (select (count(*), max(updated_at))::text from tenant_rates)
        || (select (count(*), max(updated_at))::text from destinations)
        || (select (count(*), max(updated_at))::text from channel_rules)
        || (select (count(*), max(updated_at))::text from deal_stages)
        || (select (count(*), max(updated_at))::text from destination_fields)
        || (select (count(*), max(updated_at))::text from campaign_aliases)
        || (select (count(*), max(updated_at))::text from excluded_referrers)
        || (select (count(*), max(updated_at))::text from chat_settings)
        || (select (count(*), max(updated_at))::text from chat_members)
        || (select (count(*), max(created_at))::text from lead_rule_sets)
        || (select (count(*), max(updated_at))::text from business_hours),
    (select string_agg((step, failing_since, message, tenant_id, event_id)::text, ' ' order by step) from live_steps
     where failing_since is not null),
    coalesce((select string_agg(concat(request_id, state in ('waiting', 'running')), ' ' order by request_id)
     from warehouse_requests where state not in ('superseded', 'done')), '')
        || (select (count(*), max(updated_at))::text from lead_decisions)
        || (select (count(*), max(updated_at))::text from quarantine),
    (select max(updated_at)::text from deliveries),
    (select max(started_at)::text from delivery_attempts),
    exists(select from deliveries where state in ('pending', 'in_flight', 'delivered', 'retry')
           and next_attempt_at <= clock_timestamp())
        or exists(select from resyncs where state in ('waiting', 'running'))
"""


@dataclass(frozen=True)
class Watermarks:
    """Equal values mean: nothing has changed."""

    configuration: str | None
    failures: str | None
    requests: str | None
    ledger: tuple[str | None, str | None]
    is_delivery_due: bool


class WatermarkReader(Reconnecting):
    """One connection, as the role that sees every tenant; opened again after an error."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.postgres_loader_url.get_secret_value(), "echolead live watermarks")

    def read(self) -> Watermarks:
        """The state now. Raises `psycopg.OperationalError` when PostgreSQL does not answer."""
        row = self._open().execute(QUERY).fetchone()
        if row is None:
            raise psycopg.OperationalError("no answer")
        return Watermarks(row[0], row[1], row[2], (row[3], row[4]), bool(row[5]))
