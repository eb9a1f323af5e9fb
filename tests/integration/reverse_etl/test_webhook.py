"""Signed webhooks from the warehouse to a receiver that checks them, over HTTP, with a real ledger."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from echolead.demo.chatwoot import Fault, Faults
from echolead.demo.receiver import Inbox, create_app
from echolead.operational.models import Destination
from echolead.webhooks import public_key
from reverse_etl.engine import DeliveryEngine
from tests.fixtures.operational import make_destination
from tests.fixtures.resyncing import resync
from tests.fixtures.served_app import served
from tests.integration.reverse_etl.conftest import Activation, payload_of
from tests.integration.reverse_etl.settings import QUICK

SECRET = "whsec_" + base64.b64encode(b"a secret of 32 bytes for testing").decode()
EARLIER = "whsec_" + base64.b64encode(b"the secret that is being replaced").decode()
PRIVATE = "whsk_" + base64.b64encode(b"a seed of 32 bytes, for testing.").decode()
PATIENT = replace(QUICK, plan_pace=1000)
"""Nothing that failed is tried again while the test runs."""


@dataclass
class Receiver:
    """A receiver, and the way to it."""

    activation: Activation
    url: str
    inbox: Inbox
    faults: Faults

    def destination(self, path: str = "/api/hooks", url: str = "", **secrets: str) -> Destination:
        """The one destination: it posts to this path, or to another address."""
        self.activation.rows("update destinations set is_enabled = false returning 1")
        made = make_destination(
            self.activation.database,
            self.activation.tenant_id,
            kind="webhook",
            configuration={"url": url or f"{self.url}{path}"},
            secrets=secrets or {"secret": SECRET},
        )
        self.activation.destination_id = made.destination_id
        return made


@pytest.fixture
def receiver(activation: Activation) -> Iterator[Receiver]:
    """A receiver with the secret, and a destination that posts to it."""
    faults, inbox = Faults(), Inbox([SECRET])
    with served(create_app([], faults=faults, inbox=inbox)) as url:
        made = Receiver(activation, url, inbox, faults)
        made.destination()
        yield made


def test_a_lead_is_posted_as_created_and_each_later_state_as_updated(
    activation: Activation, receiver: Receiver, engine: DeliveryEngine
) -> None:
    for name in ("Ana", "Ana Souza"):
        activation.want(payload_of("lead-1", name=name, phone="+5511999990000"))
        activation.settle(engine)

    first, second = (message.body for message in receiver.inbox.messages.values())
    assert (first["type"], second["type"]) == ("lead.created", "lead.updated")
    assert second["version"] > first["version"]
    assert second["updated_at"] > first["updated_at"]
    assert second["data"]["name"] == "Ana Souza"
    assert second["data"]["phone"] == "+5511999990000"
    assert second["data"]["attributes"]["channel"] == "Paid Search"
    assert second["data"]["url"].endswith("&lead_id=lead-1")
    assert receiver.inbox.refusals == []
    assert activation.states() == ["delivered", "delivered"]
    assert SECRET not in str(activation.attempts())


@pytest.mark.parametrize(
    ("secrets", "known"),
    [
        pytest.param({"secret": SECRET, "previous_secret": EARLIER}, SECRET, id="the new one while it is replaced"),
        pytest.param({"secret": SECRET, "previous_secret": EARLIER}, EARLIER, id="the earlier one"),
        pytest.param({"secret": PRIVATE, "previous_secret": SECRET}, public_key(PRIVATE), id="a public key"),
        pytest.param({"secret": PRIVATE, "previous_secret": SECRET}, SECRET, id="the secret before the key"),
    ],
)
def test_a_receiver_accepts_with_any_of_the_secrets(
    activation: Activation, receiver: Receiver, engine: DeliveryEngine, secrets: dict[str, str], known: str
) -> None:
    receiver.destination(**secrets)
    receiver.inbox.secrets = [known]
    activation.want(payload_of("lead-1"))

    activation.settle(engine)

    assert list(receiver.inbox.leads) == ["lead-1"]


def test_a_message_that_is_tried_again_has_the_same_id_and_body(
    activation: Activation, receiver: Receiver, engine: DeliveryEngine
) -> None:
    receiver.faults.replace([Fault("status_after", times=2, status=500)])
    activation.want(payload_of("lead-1"))

    activation.settle(engine)

    (message,) = receiver.inbox.messages.values()
    assert (receiver.inbox.posts, len(message.timestamps), receiver.inbox.refusals) == (3, 3, [])
    assert message.body["type"] == "lead.created"


def test_a_state_that_returns_is_another_message(
    activation: Activation, receiver: Receiver, engine: DeliveryEngine
) -> None:
    """Its row in the ledger is the first one again; a receiver that knows the id would keep the state in between."""
    for channel in ("Direct", "Email", "Direct"):
        activation.want(payload_of("lead-1", attributes={"channel": channel}))
        activation.settle(engine)

    assert len(receiver.inbox.messages) == 3
    assert receiver.inbox.leads["lead-1"]["data"]["attributes"] == {"channel": "Direct"}


def test_a_state_that_waits_is_not_sent_after_a_newer_one(
    activation: Activation, receiver: Receiver, engine: DeliveryEngine
) -> None:
    """The consumer applies what comes last: an old state after the new one would stay there for ever."""
    receiver.faults.replace([Fault("status", times=1, status=503, retry_after="1")])
    activation.want(payload_of("lead-1", name="Ana"))
    engine.run_once()
    activation.want(payload_of("lead-1", name="Ana Souza"))

    activation.settle(engine)

    assert [message.body["data"]["name"] for message in receiver.inbox.messages.values()] == ["Ana Souza"]
    assert receiver.inbox.leads["lead-1"]["type"] == "lead.created"
    assert activation.states() == ["superseded", "delivered"]


def test_a_state_whose_fate_is_unknown_is_followed_by_one_with_a_higher_version(
    activation: Activation, receiver: Receiver
) -> None:
    """The first post timed out after it was taken, and a newer state is wanted meanwhile: no second lead is made."""
    receiver.faults.replace([Fault("cut_after", times=1)])
    with DeliveryEngine(activation.settings, PATIENT) as engine:
        activation.want(payload_of("lead-1", name="Ana"))
        engine.run_once()
        assert activation.states() == ["retry"]
        activation.want(payload_of("lead-1", name="Ana Souza"))
        activation.settle(engine)

    first, second = (message.body for message in receiver.inbox.messages.values())
    assert (first["type"], second["type"]) == ("lead.created", "lead.updated")
    assert second["version"] > first["version"]


def test_an_endpoint_that_is_gone_is_switched_off_and_what_waits_is_kept(
    activation: Activation, receiver: Receiver
) -> None:
    """Gone endpoints were called on by parallel posts, cached settings and waiting retries, until we were blocked."""
    receiver.faults.replace([Fault("status", status=410)])
    activation.want(*[payload_of(f"lead-{number}", name="Ana") for number in range(30)])
    with DeliveryEngine(activation.settings, QUICK) as engine:
        for _ in range(3):
            engine.run_once()

        assert receiver.faults.struck["status"] <= 4  # those that were under way
        assert set(activation.states()) <= {"pending", "retry"}
        (switched,) = activation.rows("select * from destinations where kind = 'webhook'")
        assert not switched["is_enabled"]
        assert switched["disabled_at"] is not None
        assert "410" in switched["disabled_reason"]
        (noted,) = activation.rows("select * from audit_log where action = 'destination.disabled'")
        assert (noted["actor"], noted["subject"]) == ("engine", switched["name"])
        assert "410" in noted["detail"]["reason"]

        receiver.faults.replace([])
        activation.want(*[payload_of(f"lead-{number}", name="Ana Souza") for number in range(10)])
        engine.run_once()
        assert receiver.inbox.posts == 0
        activation.rows("update destinations set is_enabled = true where kind = 'webhook' returning 1")
        activation.settle(engine)

    names = [message.body["data"]["name"] for message in receiver.inbox.messages.values()]
    assert (len(receiver.inbox.leads), receiver.inbox.posts) == (30, 30)
    assert (names.count("Ana Souza"), names.count("Ana")) == (10, 20)


@pytest.mark.parametrize("status", [400, 401, 404, 422, 500])
def test_any_other_refusal_is_tried_again_by_the_plan(
    activation: Activation, receiver: Receiver, engine: DeliveryEngine, status: int
) -> None:
    """404 during a deployment is not 410, and a receiver's own fault must not cost the lead."""
    receiver.faults.replace([Fault("status", times=2, status=status)])
    activation.want(payload_of("lead-1"))

    activation.settle(engine)

    assert list(receiver.inbox.leads) == ["lead-1"]
    assert [row["attempts"] for row in activation.rows()] == [3]


def test_a_message_is_dead_when_the_plan_is_over(activation: Activation, receiver: Receiver) -> None:
    receiver.faults.replace([Fault("status", status=404)])
    activation.want(payload_of("lead-1"))
    with DeliveryEngine(activation.settings, replace(QUICK, plan_pace=0)) as engine:
        assert activation.settle(engine).dead == 1

        (dead,) = activation.rows()
        assert (dead["attempts"], dead["last_error_class"]) == (10, "Postponed")
        receiver.faults.replace([])
        assert resync(activation.settings, activation.tenant_id) == {"dead": 1}
        activation.settle(engine)

    assert list(receiver.inbox.leads) == ["lead-1"]


def test_a_redirect_is_not_followed_and_the_reason_names_its_target(
    activation: Activation, receiver: Receiver, engine: DeliveryEngine
) -> None:
    """A followed redirect turned POST into GET, the target answered 200, and the lead counted as delivered."""
    receiver.destination("/api/moved")
    activation.want(payload_of("lead-1"))

    engine.run_once()

    (waiting,) = activation.rows()
    assert waiting["state"] == "retry"
    assert waiting["last_error_class"] == "Misconfigured"
    assert "/api/hooks" in waiting["last_error"]
    assert "secret-of-the-address" not in waiting["last_error"]
    assert (receiver.inbox.posts, receiver.inbox.refusals) == (0, [])


def test_a_body_that_is_too_large_leaves_out_what_can_be_missed(
    activation: Activation, receiver: Receiver, engine: DeliveryEngine
) -> None:
    click = {"name": "gclid", "value": "é" * 11_000, "at": "2026-03-01T10:00:00+00:00"}
    activation.want(payload_of("lead-1", clicks=[click], cookies={"_ga": "GA1.1.1.2"}))

    activation.settle(engine)

    body = receiver.inbox.leads["lead-1"]
    assert body["omitted"] == ["cookies", "clicks"]
    assert body["data"]["attributes"]["source"] == "google"
    assert "clicks" not in body["data"]
    assert [note["operation"] for note in activation.attempts(outcome="withheld")] == ["fit the body"] * 2


def test_a_lead_that_does_not_fit_is_withheld_and_the_others_go(
    activation: Activation, receiver: Receiver, engine: DeliveryEngine
) -> None:
    activation.want(payload_of("lead-1", name="A" * 21_000), payload_of("lead-2"))

    activation.settle(engine)

    assert list(receiver.inbox.leads) == ["lead-2"]
    (withheld,) = activation.rows("select * from deliveries where state = 'withheld'")
    assert withheld["lead_id"] == "lead-1"


def test_an_address_inside_is_never_called(activation: Activation, receiver: Receiver, engine: DeliveryEngine) -> None:
    receiver.destination(url="http://169.254.169.254/latest/meta-data/")
    activation.want(payload_of("lead-1"))

    engine.run_once()

    (waiting,) = activation.rows()
    assert (waiting["state"], waiting["last_error_class"]) == ("retry", "Misconfigured")
    assert {call["response_status"] for call in activation.attempts(operation="post")} == {None}
