"""The checks of webhooks without a server: the vectors of Standard Webhooks, and the forms of what products send."""

import base64
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_api.http.problems import INVALID_SIGNATURE, STALE_WEBHOOK, Problem
from ingest_api.webhooks import hubspot, standard
from ingest_api.webhooks.route import VERIFY_BY_SOURCE, kept_headers
from ingest_api.webhooks.verification import EndpointSecrets, WebhookRequest, check_time, matching

VECTORS = json.loads((Path(__file__).parents[3] / "fixtures/standard_webhooks.json").read_text())["vectors"]


def posted(headers: dict[str, str], body: bytes, now: float = 0) -> WebhookRequest:
    return WebhookRequest("POST", ["https://collect.test/v1/webhooks/x/y"], headers, body, now)


@pytest.mark.parametrize("vector", [pytest.param(each, id=each["name"]) for each in VECTORS])
def test_the_vectors_of_standard_webhooks(vector: dict[str, Any]) -> None:
    request = posted(vector["headers"], vector["payload"].encode(), vector["now"])
    accepted = EndpointSecrets([vector["secret"]])
    if vector["valid"]:
        assert standard.verify(request, accepted).delivery_id == vector["headers"]["webhook-id"]
    else:
        with pytest.raises(Problem) as caught:
            standard.verify(request, accepted)
        expected = STALE_WEBHOOK if vector["name"] in ("too_old", "too_new") else INVALID_SIGNATURE
        assert caught.value.kind is expected


def test_the_address_is_signed_as_hubspot_decodes_it() -> None:
    """Twelve escapes, and no other: `+`, `%20` and `%25` stay."""
    assert hubspot.decoded("https://x.test/a?u=https%3A%2F%2fy%40z&b=%20+%25%3B") == (
        "https://x.test/a?u=https://y@z&b=%20+%25;"
    )


@pytest.mark.parametrize("text", ["", "-1", "1.5", "1e9", "١٢٣", "0x10", " 1", "9" * 17])
def test_an_invalid_time_is_refused(text: str) -> None:
    with pytest.raises(Problem) as caught:
        check_time(text, 0)
    assert caught.value.kind is INVALID_SIGNATURE


def test_an_empty_secret_matches_nothing() -> None:
    assert matching([], b"") is None


def test_headers_with_credentials_are_not_stored() -> None:
    given_ = {
        "Authorization": "Basic x", "Cookie": "a", "X-Chatwoot-Signature": "s", "X-HubSpot-Signature-v3": "s",
        "webhook-signature": "s", "X-RD-Key": "k", "X-Api-Token": "t", "X-Chatwoot-Delivery": "d", "User-Agent": "u",
    }  # fmt: skip
    headers = {name.lower(): value for name, value in given_.items()}
    assert kept_headers(headers, "x-rd-key") == {"x-chatwoot-delivery": "d", "user-agent": "u"}


PIPEDRIVE = b'{"meta":{"action":"change","attempt":%s,"id":"a1"},"data":{"id":7,"attempt":%s},"previous":null}'
PIPEDRIVE_1 = (
    b'{"v":1,"meta":{"action":"updated","id":7},"retry":%s,"current":{"id":7,"retry":%s},"event":"updated.deal"}'
)
HUBSPOT = b'[{"eventId":1,"attemptNumber":0},{"eventId":2,"attemptNumber":%s,"propertyValue":"%s"}]'


def delivery_id(source: str, body: bytes) -> str:
    """Of a body that a product sends."""
    if source == "hubspot":
        text = b"POSThttps://collect.test/v1/webhooks/x/y" + body + b"0"
        signature = base64.b64encode(hmac.digest(b"key", text, "sha256")).decode()
        headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": "0"}
    else:
        headers = {"authorization": f"Basic {base64.b64encode(b'key').decode()}"}
    return VERIFY_BY_SOURCE[source](posted(headers, body), EndpointSecrets(["key"])).delivery_id


@pytest.mark.parametrize(
    ("source", "body"),
    [
        pytest.param("pipedrive", PIPEDRIVE, id="Pipedrive, version 2"),
        pytest.param("pipedrive", PIPEDRIVE_1, id="Pipedrive, version 1"),
        pytest.param("hubspot", HUBSPOT, id="HubSpot"),
    ],
)
def test_a_counter_of_retries_is_no_content_and_data_of_its_name_is(source: str, body: bytes) -> None:
    first = delivery_id(source, body % (b"1", b"5"))
    assert delivery_id(source, body % (b"2", b"5")) == first
    assert delivery_id(source, body % (b" null", b"5")) == first
    assert delivery_id(source, body % (b"1", b"6")) != first


def test_a_first_request_without_the_counter_is_the_same_delivery_as_its_retry() -> None:
    first = b'{ "meta": {"id": "a1"},\n "data": {"id": 7} }'
    retry = b'{"meta":{"id":"a1","attempt":2},"data":{"id": 7}}'
    assert delivery_id("pipedrive", first) == delivery_id("pipedrive", retry)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"7", b"null", b'{"meta":7}', b'{"meta":[{"attempt":1}]}', b"[" * 5000]
)
def test_any_other_body_is_a_delivery_of_its_own(body: bytes) -> None:
    assert delivery_id("pipedrive", body) == delivery_id("pipedrive", body)
    assert delivery_id("pipedrive", body) != delivery_id("pipedrive", body + b" 1")


TEXT = st.text(st.characters(max_codepoint=255), max_size=60)
HEADERS = st.dictionaries(
    st.sampled_from([
        "x-chatwoot-signature", "x-chatwoot-timestamp", "x-chatwoot-delivery", "x-hubspot-signature-v3", "webhook-id",
        "x-hubspot-request-timestamp", "webhook-timestamp", "webhook-signature", "authorization",
    ]),
    TEXT | st.sampled_from(["Basic ", "Basic =", "Bearer é", "v1,", "sha256=", "1700000000"]),
)  # fmt: skip


@pytest.mark.parametrize("source", VERIFY_BY_SOURCE)
@given(HEADERS, st.binary(max_size=100))
def test_malformed_webhooks_are_refused_with_a_problem(source: str, headers: dict[str, str], body: bytes) -> None:
    """Never an unexpected error, and never accepted."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" if source == "standard" else "user:a-secret-nobody-guesses"
    with pytest.raises(Problem):
        VERIFY_BY_SOURCE[source](
            posted(headers, body, 1_700_000_000), EndpointSecrets([secret], token_header="authorization")
        )
