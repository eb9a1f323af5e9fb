"""The lake beside the warehouse: how far it is behind, and which days it has alone.

Asked by `doctor`, by `lake status`, by Dagster's check, and before models are built over all of history.
"""

from dataclasses import dataclass
from datetime import date

import psycopg
from clickhouse_connect.driver.client import Client

MAX_LAG_SECONDS = 900.0
"""A load that the lake lacks for longer is in the warehouse and the queue alone: something stands still."""

POSITION = """
select coalesce((select position::bigint from lake_positions where origin = 'loads'), 0),
    (select count(*) from lake_files where state = 'owed')
"""
# By the key: the loads behind the last one of the lake.
LAG = """
select count(), if(count() = 0, 0, dateDiff('millisecond', min(loaded_at), now64(3, 'UTC')) / 1000)
from raw.loads where load_seq > {position:Int64}
"""

FIRST_DAY = "select min(day) from lake_files where state = 'present' and source = 'events'"
FIRST_DAY_OF_RAW = """
select minOrNull(toDate(received_at)) from raw.events
where _partition_id = (
    select min(partition_id) from system.parts where database = 'raw' and table = 'events' and active
)
"""


@dataclass(frozen=True)
class LakeLag:
    """Loads that the lake lacks, for how long the oldest of them, and files that could not be written yet."""

    loads: int
    oldest_seconds: float
    owed_files: int

    @property
    def is_too_long(self) -> bool:
        """Whether the copying stands still, or cannot write some files."""
        return self.oldest_seconds >= MAX_LAG_SECONDS or self.owed_files > 0

    @property
    def sentence(self) -> str:
        """It in words."""
        said = f"lacks {self.loads} loads"
        if self.loads:
            said += f", the oldest for {self.oldest_seconds:.0f} s"
        return said + (f"; {self.owed_files} files could not be written" if self.owed_files else "")


def lake_lag(connection: psycopg.Connection, client: Client) -> LakeLag:
    """Raises `psycopg.Error`, and the errors of clickhouse-connect."""
    position, owed = connection.execute(POSITION).fetchone() or (0, 0)
    loads, seconds = client.query(LAG, parameters={"position": position}).result_rows[0]
    return LakeLag(int(loads), max(0.0, float(seconds)), int(owed))


def days_of_the_lake_alone(connection: psycopg.Connection, client: Client) -> tuple[date, date | None] | None:
    """The first day of events in the lake, and in raw (None: it has none), if raw lacks days of the lake; else None.

    Reads the oldest day of raw. Raises as `lake_lag`.
    """
    first = (connection.execute(FIRST_DAY).fetchone() or (None,))[0]
    first_of_raw = client.query(FIRST_DAY_OF_RAW).result_rows[0][0]
    if first is None or (first_of_raw is not None and first_of_raw <= first):
        return None
    return first, first_of_raw
