"""Signing and addressing of webhooks, message by message."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from echolead.demo.receiver import Inbox
from echolead.operational.destinations import check_configuration
from echolead.operational.errors import ChangeRefused
from echolead.webhooks import public_key, signer
from reverse_etl.calls import Calls, LaneConnection, Reply
from reverse_etl.destinations.webhook import RETRY_PLAN, SignedWebhooks
from reverse_etl.errors import Gone, Misconfigured, OutcomeUnknown, Postponed, Unavailable
from reverse_etl.lead import DeliveryHistory, Lead
from reverse_etl.pace import Breaker, Pace
from tests.fixtures.orders import Kept, delivered, order

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
VECTORS = json.loads((Path(__file__).parents[3] / "fixtures/standard_webhooks.json").read_text())["vectors"]


def connection_to(handler: httpx.MockTransport, destination: SignedWebhooks) -> LaneConnection:
    breaker = Breaker(threshold=100, cooldown_seconds=1, longest_seconds=1)
    return LaneConnection(destination.client(handler), Pace(1e6, 1000), breaker, judge=destination.judge)


def webhook(**secrets: str) -> SignedWebhooks:
    return SignedWebhooks.of(
        {"url": "https://hooks.test/in?a=1"}, {"secret": SECRET, **secrets}, lambda lead_id: lead_id
    )


def test_the_signature_is_that_of_the_reference_libraries() -> None:
    (vector,) = [each for each in VECTORS if each["name"] == "sign"]
    headers = vector["headers"]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{vector['payload']}"

    assert signer(vector["secret"])(signed.encode()) == headers["webhook-signature"]


def test_a_key_pair_signs_what_its_public_key_verifies() -> None:
    raw = b'{"type":"test"}'
    timestamp = str(int(datetime.now(UTC).timestamp()))
    headers = {"webhook-id": "m1", "webhook-timestamp": timestamp}
    signature = signer(PRIVATE)(f"m1.{timestamp}.".encode() + raw)
    inbox = Inbox([public_key(PRIVATE)])

    inbox.take({**headers, "webhook-signature": signature}, raw)

    assert signature.startswith("v1a,")
    assert list(inbox.messages) == ["m1"]


async def test_a_message_keeps_its_id_for_days_and_its_timestamp_is_that_of_the_try() -> None:
    posts: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        posts.append(request)
        return httpx.Response(500 if len(posts) == 1 else 200, text="thanks")

    destination, kept = webhook(), Kept()
    made = order(connection_to(httpx.MockTransport(handle), destination), Lead("lead-1", name="Ana"), kept=kept)
    asked = replace(made, wanted_at=datetime.now(UTC) - timedelta(days=2))
    with pytest.raises(OutcomeUnknown):
        await delivered(destination, asked)
    await delivered(destination, replace(asked, history=DeliveryHistory(kept.records)))

    one, other = posts
    assert one.headers["webhook-id"] == other.headers["webhook-id"]
    assert one.content == other.content
    assert str(one.url) == "https://hooks.test/in?a=1"
    assert one.headers["content-type"] == "application/json"
    assert abs(int(one.headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 60


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        pytest.param(200, {}, None, id="200"),
        pytest.param(204, {}, None, id="204"),
        pytest.param(302, {"Location": "/elsewhere"}, Misconfigured, id="redirect"),
        pytest.param(410, {}, Gone, id="gone"),
        pytest.param(404, {}, Postponed, id="not there now"),
        pytest.param(401, {}, Postponed, id="refused"),
        pytest.param(429, {"Retry-After": "7"}, Unavailable, id="too fast"),
        pytest.param(503, {"Retry-After": "7"}, Unavailable, id="closed for a while"),
        pytest.param(502, {}, OutcomeUnknown, id="an error after it may have been taken"),
    ],
)
def test_what_an_answer_stands_for(status: int, headers: dict[str, str], kind: type | None) -> None:
    judged = webhook().judge(Reply(status, httpx.Headers(headers), "", ""))

    assert (None if judged is None else type(judged)) == kind
    if "Retry-After" in headers:
        assert judged is not None
        assert judged.retry_after == 7


def test_the_plan_is_the_standards() -> None:
    assert [seconds / 3600 for seconds in RETRY_PLAN[3:]] == [2, 5, 10, 14, 20, 24]
    assert RETRY_PLAN[:3] == (5, 5 * 60, 30 * 60)


async def test_an_account_is_tried_with_a_signed_message() -> None:
    inbox = Inbox([SECRET])

    def handle(request: httpx.Request) -> httpx.Response:
        inbox.take(request.headers, request.content)
        return httpx.Response(202)

    destination = webhook(previous_secret=PRIVATE)
    findings = await destination.test(Calls(connection_to(httpx.MockTransport(handle), destination)))

    assert [finding.state for finding in findings] == ["ok", "ok"]
    assert public_key(PRIVATE) in findings[1].detail
    assert [message.body["type"] for message in inbox.messages.values()] == ["test"]


@pytest.mark.parametrize("secret", ["whsec_c2hvcnQ=", "whsk_c2hvcnQ=", "not base64!", ""])
def test_a_secret_that_cannot_sign_is_refused_when_it_is_set(secret: str) -> None:
    with pytest.raises(ChangeRefused) as refused:
        check_configuration(
            "webhook",
            {"url": "https://hooks.test/in"},
            {"secret": secret},
            allow_private=False,
            private_places=(),
        )
    assert "secret" in str(refused.value)
    assert not secret or secret not in str(refused.value)
