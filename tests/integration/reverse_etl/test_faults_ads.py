"""A bad day of the ad platforms: no event twice where the platform tells it, at most once where it does not."""

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from echolead.demo.ads import PLATFORM_KINDS
from reverse_etl.engine import DeliveryEngine
from tests.fixtures.demo_ads import served_ads
from tests.integration.reverse_etl.ads import AdFeedback, lead_of
from tests.integration.reverse_etl.bad_day import BAD_DAY, kill_engines
from tests.integration.reverse_etl.conftest import Activation
from tests.integration.reverse_etl.settings import QUICK

LEADS = int(os.environ.get("ECHOLEAD_TEST_FAULT_LEADS", "100"))
STEPS = ((), ("lead",), ("lead", "qualified"), ("lead", "qualified", "won"))


def test_engines_that_are_killed_and_two_at_once_report_every_event_once(activation: Activation) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201  # to replay a failure
    activation.rows("update destinations set is_enabled = false returning 1")
    with served_ads() as served:
        ads = AdFeedback(activation, served)
        places = ads.destinations(*PLATFORM_KINDS)
        activation.rows(
            """update destinations set configuration = configuration
            || '{"requests_per_second": 1000, "concurrency": 8}' where is_enabled returning 1"""
        )
        served.faults.replace(BAD_DAY, seed)

        def want(step: int) -> None:
            """A step leaves a quarter of the leads behind, so that dead engines' deliveries are taken over."""
            changed = [number for number in range(LEADS) if number % 4 != step]
            ads.want(places, *[lead_of(f"l{number}", *STEPS[step]) for number in changed])

        kill_engines(activation, random.Random(seed), len(STEPS), before=want)
        ads.want(places, *[lead_of(f"l{number}", *STEPS[-1]) for number in range(LEADS)])
        with (
            DeliveryEngine(activation.settings, QUICK) as one,
            DeliveryEngine(activation.settings, QUICK) as other,
            ThreadPoolExecutor(2) as both,
        ):
            list(both.map(activation.settle, (one, other)))
        check(ads)
        assert sum(served.faults.struck.values()) > 100
    assert activation.attempts(outcome="lost"), "No kill hit a delivery under way: the test is blind."


def check(ads: AdFeedback) -> None:
    """Every event is there once; of GA4 the ledger says for each that is missing why it was not sent again."""
    platforms = ads.served.platforms
    for events in (platforms.meta.events, platforms.google.conversions, platforms.openai.events):
        assert len(events) == 3 * LEADS
    assert platforms.meta.twice == []
    counted = Counter((event["name"], event["params"]["transaction_id"]) for event in platforms.ga4.events)
    assert set(counted.values()) == {1}
    assert platforms.ga4.dropped == []
    states = {row["state"] for row in ads.activation.rows()}
    assert states <= {"delivered", "verified", "withheld", "superseded"}
    unknown = ads.activation.rows(
        """select distinct d.lead_id from deliveries d left join delivery_attempts a using (tenant_id, delivery_id)
        where d.last_error like '%may have it%' or a.response like '%may have it%'"""
    )
    assert len(unknown) >= (3 * LEADS - len(counted)) / 3
