"""A bad day of a receiver: no state after a newer one, no lead announced twice, the newest state of each arrives."""

from collections import Counter

from echolead.demo.chatwoot import Faults
from echolead.demo.receiver import Inbox, create_app
from tests.fixtures.operational import make_destination
from tests.fixtures.served_app import served
from tests.integration.reverse_etl.conftest import Activation, payload_of
from tests.integration.reverse_etl.test_webhook import SECRET
from tests.integration.reverse_etl.worst_day import (
    FAULTS,
    LEADS,
    check_the_ledger,
    kill_engines,
    seeded,
    settle_by_two,
    switch_others_off,
)


def test_engines_that_are_killed_and_two_at_once_leave_each_lead_in_its_newest_state(activation: Activation) -> None:
    newest: dict[str, int] = {}

    def want(update: int) -> None:
        """Each update leaves a quarter of the leads as they are, so that dead engines' deliveries are taken over."""
        changed = [f"lead-{number}" for number in range(LEADS) if update == 0 or number % 4 != update - 1]
        newest.update(dict.fromkeys(changed, update))
        activation.want(*[payload_of(lead_id, attributes={"update": update}) for lead_id in changed])

    moments, seed = seeded()
    switch_others_off(activation)
    faults, inbox = Faults(FAULTS, seed), Inbox([SECRET])
    with served(create_app([], faults=faults, inbox=inbox)) as url:
        activation.destination_id = make_destination(
            activation.database,
            activation.tenant_id,
            kind="webhook",
            configuration={"url": f"{url}/api/hooks", "concurrency": 16, "requests_per_second": 1000},
            secrets={"secret": SECRET},
        ).destination_id
        kill_engines(activation, moments, 5, before=want)
        settle_by_two(activation)

    arrived = {lead_id: body["data"]["attributes"]["update"] for lead_id, body in inbox.leads.items()}
    assert arrived == newest
    assert (inbox.late, inbox.refusals) == ([], [])
    bodies = [message.body for message in inbox.messages.values()]
    announced = Counter(body["data"]["lead_id"] for body in bodies if body["type"] == "lead.created")
    assert set(announced.values()) == {1}
    assert set(activation.states()) <= {"delivered", "superseded"}
    check_the_ledger(activation, "webhook", Counter(faults.struck))
