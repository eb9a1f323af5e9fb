"""How far the lake is behind the warehouse: asked by `doctor`, by `lake status` and by Dagster's check."""

from dataclasses import dataclass

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
