"""The checks of webhooks without a server: the vectors of Standard Webhooks, and the forms of what products send."""

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
