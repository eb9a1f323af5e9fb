"""The failing steps of the live path: written by the live run, read by `doctor`, `status`, Dagster and the mirror.

They are in PostgreSQL because the warehouse itself may fail.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from echolead.operational.reconnecting import Reconnecting

TURN = "turn"
"""The row with the end of the last turn, whether its steps failed or not."""
STANDS_STILL = timedelta(seconds=60)
"""A live path without an ended turn for this long is standing still: a turn waits at most two seconds for an event."""
MESSAGE_CHARACTERS = 2000

FAILED = """
insert into live_steps (step, failing_since, failed_at, failures, message)
values (%(step)s, clock_timestamp(), clock_timestamp(), 1, %(message)s)
on conflict (step) do update set
    failing_since = coalesce(live_steps.failing_since, excluded.failing_since),
    failed_at = excluded.failed_at, failures = live_steps.failures + 1, message = excluded.message,
    tenant_id = case when live_steps.message = excluded.message then live_steps.tenant_id end,
    event_id = case when live_steps.message = excluded.message then live_steps.event_id end
"""
SUCCEEDED = """
insert into live_steps (step, succeeded_at) values (%(step)s, clock_timestamp())
on conflict (step) do update set
    succeeded_at = excluded.succeeded_at, failing_since = null, failed_at = null, failures = 0, message = '',
    tenant_id = null, event_id = null
"""
BLAMED = """
update live_steps set tenant_id = %(tenant_id)s, event_id = %(event_id)s
where step = %(step)s and failing_since is not null
"""
FAILING = """
select step, failing_since, failed_at, failures, message, coalesce(tenant_id, ''), coalesce(event_id, '')
from live_steps where failing_since is not null order by failing_since, step
"""


@dataclass(frozen=True)
class FailingStep:
    """A failing step: since when, how often, the message, and the event it fails on ('' if unknown)."""

    step: str
    failing_since: datetime
    failed_at: datetime
    failures: int
    message: str
    tenant_id: str
    event_id: str

    @property
    def sentence(self) -> str:
        """One line for users."""
        since = self.failing_since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        culprit = f" because of event {self.event_id} of tenant {self.tenant_id}" if self.event_id else ""
        if self.tenant_id and not self.event_id:
            culprit = f" because of rows of tenant {self.tenant_id}"
        said = self.message.strip().splitlines()
        return f"{self.step} fails since {since} ({self.failures} times){culprit}: {said[0][:500] if said else ''}"


class StepRecord(Reconnecting):
    """Records the results of steps, on its own connection, which is reopened after a failure.

    Every method raises `psycopg.Error` when PostgreSQL does not answer.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, "echolead live steps")

    def failed(self, step: str, message: str) -> None:
        """Record that `step` failed again. A new message removes the event that was recorded for the last one."""
        said = message.replace("\0", "")[:MESSAGE_CHARACTERS]
        self._write(FAILED, {"step": step, "message": said})

    def succeeded(self, step: str) -> None:
        """Record that `step` succeeded."""
        self._write(SUCCEEDED, {"step": step})

    def blame(self, step: str, tenant_id: str, event_id: str) -> None:
        """Record the event because of which `step` fails; `event_id` is '' if only the tenant is known."""
        self._write(BLAMED, {"step": step, "tenant_id": tenant_id, "event_id": event_id or None})

    def failing(self) -> list[FailingStep]:
        """The steps that fail now, the longest failing first."""
        return failing(self._open())

    def _write(self, statement: str, values: dict[str, str | None]) -> None:
        self._open().execute(statement, values)


def failing(connection: psycopg.Connection) -> list[FailingStep]:
    """The steps that fail now, the longest failing first."""
    return [FailingStep(*row) for row in connection.execute(FAILING).fetchall()]


def last_turn_at(connection: psycopg.Connection) -> datetime | None:
    """When the live path last ended a turn; None if it never did."""
    row = connection.execute("select succeeded_at from live_steps where step = %s", [TURN]).fetchone()
    return None if row is None else row[0]


def trouble(connection: psycopg.Connection) -> list[str]:
    """A sentence for each failing step, and one if the live path stands still; empty without problems."""
    sentences = [each.sentence for each in failing(connection)]
    last = last_turn_at(connection)
    if last is not None and datetime.now(UTC) - last > STANDS_STILL:
        since = last.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        sentences.append(f"the live path stands still: its last turn ended at {since}")
    return sentences
