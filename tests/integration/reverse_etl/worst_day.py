"""The worst day of a destination: three calls in ten fail, engines are killed, two run at once, and leads change.

ECHOLEAD_TEST_FAULT_LEADS says how many leads each product gets, 100 without it: 500 is the number to believe in.
"""

import multiprocessing
import os
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from echolead.demo.chatwoot import Fault
from reverse_etl.engine import DeliveryEngine
from reverse_etl.lane import Policy
from tests.integration.reverse_etl.conftest import Activation
from tests.integration.reverse_etl.engine_process import run_until_killed
from tests.integration.reverse_etl.settings import QUICK

LEADS = int(os.environ.get("ECHOLEAD_TEST_FAULT_LEADS", "100"))
# Three in ten calls fail, in every way that differs for the caller.
FAULTS = [
    Fault("status", chance=0.05, status=500),
    Fault("status", chance=0.03, status=429, retry_after="0"),
    Fault("status", chance=0.02, status=503),
    Fault("status_after", chance=0.06, status=502),
    Fault("cut_before", chance=0.05),
    Fault("cut_after", chance=0.05),
    Fault("garbled_after", chance=0.04),
    Fault("hang_after", chance=0.005, seconds=3),
    Fault("latency", chance=0.2, seconds=0.05),
]


def seeded() -> tuple[random.Random, int]:
    """A choice of moments, and its seed, which is printed to replay a failure."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201
    return random.Random(seed), seed


def switch_others_off(activation: Activation) -> None:
    """The destination of the other tests gets nothing."""
    activation.rows("update destinations set is_enabled = false returning 1")


def kill_an_engine(activation: Activation, moments: random.Random) -> None:
    """Start an engine, and kill it (-9) while it holds deliveries that it took itself."""
    started_at = activation.rows("select clock_timestamp() as now")[0]["now"]
    lease_ends = started_at + timedelta(seconds=QUICK.lease_seconds)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.integration.reverse_etl.engine_process"])
    process = context.Process(target=run_until_killed, args=(activation.urls,))
    process.start()
    activation.wait_until(f"select from deliveries where state = 'in_flight' and lease_until > '{lease_ends}'")
    process.join(moments.uniform(0, 0.2))
    assert process.is_alive(), "The engine ended by itself."
    process.kill()
    process.join()


def kill_engines(activation: Activation, moments: random.Random, kills: int, before: Callable[[int], None]) -> None:
    """Kill so many engines one after the other; `before` each start something is wanted."""
    for kill in range(kills):
        before(kill)
        kill_an_engine(activation, moments)


def settle_by_two(activation: Activation, policy: Policy = QUICK) -> None:
    """Two engines at once deliver until nothing waits."""
    with (
        DeliveryEngine(activation.settings, policy) as one,
        DeliveryEngine(activation.settings, policy) as other,
        ThreadPoolExecutor(2) as both,
    ):
        list(both.map(lambda engine: activation.settle(engine, seconds=240 + LEADS), (one, other)))


def check_the_ledger(activation: Activation, product: str, struck: Counter[str]) -> None:
    """It knows of the engines that died; what it has of the day is printed as a row of a table (with -s)."""
    assert activation.attempts(outcome="lost"), "No kill hit a delivery under way: the test is blind."
    assert struck.total() > 10
    outcomes = activation.rows("select outcome, count(*) as calls from delivery_attempts group by 1 order by 2 desc")
    (tries,) = activation.rows("select max(attempts) as most, count(*) as deliveries from deliveries")
    attempts = ", ".join(f"{row['outcome']} {row['calls']}" for row in outcomes)
    cells = (product, LEADS, tries["deliveries"], tries["most"], struck.total(), attempts)
    print(f"| {' | '.join(map(str, cells))} |")  # noqa: T201  # product, leads, deliveries, most tries, faults, attempts
