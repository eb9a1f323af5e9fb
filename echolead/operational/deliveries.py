"""Deliveries that are stuck or were given up, by one rule for `echolead doctor` and Dagster's check.

`ops.stuck_deliveries` of the warehouse says the same of the mirrored ledger; a test compares the two.
"""

from typing import NamedTuple

import psycopg

STUCK_MINUTES = 15
"""A delivery that did not reach its destination this long after it was planned is stuck."""
UNSENT_STATES = ("pending", "in_flight", "retry")

COUNTS = """
select
    count(*) filter (where state = any(%s) and created_at < clock_timestamp() - make_interval(mins => %s)),
    count(*) filter (where state = 'dead')
from deliveries
"""


class DeliveriesInTrouble(NamedTuple):
    """How many deliveries are stuck, and how many were given up."""

    stuck: int
    dead: int


def deliveries_in_trouble(connection: psycopg.Connection) -> DeliveriesInTrouble:
    """Of all tenants that the connection's role sees."""
    row = connection.execute(COUNTS, [list(UNSENT_STATES), STUCK_MINUTES]).fetchone()
    return DeliveriesInTrouble(*(row or (0, 0)))
