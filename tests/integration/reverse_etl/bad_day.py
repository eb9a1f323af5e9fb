"""A bad day of a destination, and engines that die in it."""

import multiprocessing
import random
from collections.abc import Callable

from echolead.demo.chatwoot import Fault
from tests.integration.reverse_etl.conftest import Activation
from tests.integration.reverse_etl.engine_process import run_until_killed

# Three in ten calls fail, in different ways for the caller.
BAD_DAY = [
    Fault("status", chance=0.06, status=500),
    Fault("status", chance=0.05, status=429, retry_after="0"),
    Fault("status_after", chance=0.07, status=502),
    Fault("cut_before", chance=0.06),
    Fault("cut_after", chance=0.07),
    Fault("hang_after", chance=0.005, seconds=3),
    Fault("latency", seconds=0.05),
]
NEWEST_LEASE = "select coalesce(max(lease_until), '1970-01-01') as ends from deliveries"
TAKEN = "select from deliveries where state = 'in_flight' and lease_until > '{ends}'"


def kill_engines(
    activation: Activation, moments: random.Random, kills: int, before: Callable[[int], None] = lambda _: None
) -> None:
    """Start an engine, kill it (-9) while it delivers, and so on; `before` each start something may be wanted."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.integration.reverse_etl.engine_process"])
    for kill in range(kills):
        before(kill)
        (newest,) = activation.rows(NEWEST_LEASE)  # of an engine that is dead
        process = context.Process(target=run_until_killed, args=(activation.urls,))
        process.start()
        activation.wait_until(TAKEN.format(ends=newest["ends"]))
        process.join(moments.uniform(0, 0.4))
        assert process.is_alive(), "The engine ended by itself."
        process.kill()
        process.join()
