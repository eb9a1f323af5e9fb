"""A bad day of a receiver: no state after a newer one, no lead announced twice, the newest state of each arrives."""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from echolead.demo.chatwoot import Faults
from echolead.demo.receiver import Inbox, create_app
from reverse_etl.engine import DeliveryEngine
from tests.fixtures.operational import make_destination
from tests.fixtures.served_app import served
from tests.integration.reverse_etl.bad_day import BAD_DAY, kill_engines
from tests.integration.reverse_etl.conftest import Activation, payload_of
from tests.integration.reverse_etl.settings import QUICK
from tests.integration.reverse_etl.test_webhook import SECRET

LEADS = 100


@pytest.fixture
def inbox(activation: Activation) -> Iterator[Inbox]:
    """A receiver on a bad day, and a destination that posts to it."""
    faults, kept = Faults(), Inbox([SECRET])
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201  # to replay a failure
    faults.replace(BAD_DAY, seed)
    activation.rows("update destinations set is_enabled = false returning 1")
    with served(create_app([], faults=faults, inbox=kept)) as url:
        made = make_destination(
            activation.database,
            activation.tenant_id,
            kind="webhook",
            configuration={"url": f"{url}/api/hooks", "concurrency": 16, "requests_per_second": 1000},
            secrets={"secret": SECRET},
        )
        activation.destination_id = made.destination_id
        yield kept
        assert sum(faults.struck.values()) > 50


def test_engines_that_are_killed_and_two_at_once_leave_each_lead_in_its_newest_state(
    activation: Activation, inbox: Inbox
) -> None:
    newest: dict[str, int] = {}

    def want(update: int) -> None:
        """Each update leaves a quarter of the leads as they are, so that dead engines' deliveries are taken over."""
        changed = [f"lead-{number}" for number in range(LEADS) if update == 0 or number % 4 != update - 1]
        newest.update(dict.fromkeys(changed, update))
        activation.want(*[payload_of(lead_id, attributes={"update": update}) for lead_id in changed])

    kill_engines(activation, random.Random(1), 5, before=want)
    with (
        DeliveryEngine(activation.settings, QUICK) as one,
        DeliveryEngine(activation.settings, QUICK) as other,
        ThreadPoolExecutor(2) as both,
    ):
        list(both.map(activation.settle, (one, other)))

    arrived = {lead_id: body["data"]["attributes"]["update"] for lead_id, body in inbox.leads.items()}
    assert arrived == newest
    assert (inbox.late, inbox.refusals) == ([], [])
    bodies = [message.body for message in inbox.messages.values()]
    announced = Counter(body["data"]["lead_id"] for body in bodies if body["type"] == "lead.created")
    assert set(announced.values()) == {1}
    assert set(activation.states()) <= {"delivered", "superseded"}
    assert activation.attempts(outcome="lost"), "No kill hit a delivery under way: the test is blind."
