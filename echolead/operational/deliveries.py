"""Stuck and dead deliveries, with one rule for `echolead doctor` and Dagster's check.

`ops.stuck_deliveries` in the warehouse has the same rule for the mirrored ledger; a test compares the two.
"""

from typing import NamedTuple

import psycopg

STUCK_MINUTES = 15
"""A delivery is stuck if it has not reached its destination this long after it was planned."""
UNSENT_STATES = ("pending", "in_flight", "retry")

COUNTS = """
select
    count(*) filter (where state = any(%s) and created_at < clock_timestamp() - make_interval(mins => %s)),
    count(*) filter (where state = 'dead')
from deliveries
"""


class DeliveriesInTrouble(NamedTuple):
    """The numbers of stuck and of dead deliveries."""

    stuck: int
    dead: int


def deliveries_in_trouble(connection: psycopg.Connection) -> DeliveriesInTrouble:
    """Of all tenants that the connection's role sees."""
    row = connection.execute(COUNTS, [list(UNSENT_STATES), STUCK_MINUTES]).fetchone()
    return DeliveriesInTrouble(*(row or (0, 0)))
