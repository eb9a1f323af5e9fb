"""Secrets are compared in constant time: every place uses `compare_digest`."""

import hmac
import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from echolead.security import new_api_key, read_api_key
from ingest_api.http.problems import Problem
from ingest_api.pages.visitor import VisitorTokens
from ingest_api.webhooks.route import VERIFY_BY_SOURCE
from ingest_api.webhooks.verification import EndpointSecrets, WebhookRequest

HEADERS = {
    "authorization": "Basic dXNlcjpwYXNz",
    "x-chatwoot-signature": "sha256=00",
    "x-chatwoot-timestamp": "1",
    "x-hubspot-signature-v3": "AA==",
    "x-hubspot-request-timestamp": "1",
    "webhook-id": "a",
    "webhook-timestamp": "1",
    "webhook-signature": "v1,AAAA",
}


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, object]]:
    """Records the values compared in constant time; the comparisons work as usual."""
    pairs: list[tuple[object, object]] = []
    compare = hmac.compare_digest

    def spy(one: bytes, other: bytes) -> bool:
        pairs.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    return pairs


def api_key() -> None:
    presented, other = read_api_key(new_api_key().key), new_api_key()
    assert presented is not None
    assert not presented.matches(other.key_hash)


def visitors_cookie() -> None:
    tokens = VisitorTokens("a,b")
    assert tokens.of_cookie("acme", VisitorTokens("c").cookie("acme", uuid4())) is None


def visitors_link() -> None:
    tokens = VisitorTokens("a,b")
    assert tokens.of_link("acme", VisitorTokens("c").link("acme", uuid4(), time.time()), time.time()) is None


@pytest.mark.parametrize(
    ("check", "secrets"),
    [
        pytest.param(api_key, 1, id="API key"),
        pytest.param(visitors_cookie, 4, id="visitor's cookie, of either kind"),
        pytest.param(visitors_link, 2, id="visitor's link"),
    ],
)
def test_a_wrong_token_is_compared_with_every_secret(
    compared: list[tuple[object, object]], check: Callable[[], None], secrets: int
) -> None:
    check()
    assert len(compared) == secrets


@pytest.mark.parametrize("source", VERIFY_BY_SOURCE)
def test_a_wrong_webhook_is_compared_with_every_secret_there_is(
    compared: list[tuple[object, object]], source: str
) -> None:
    posted = WebhookRequest("POST", ["https://x.test/"], HEADERS, b"{}", 1.0)
    secrets = ["whsec_AAAA", "whsec_BBBB"] if source == "standard" else ["user:first", "user:second"]
    with pytest.raises(Problem):
        VERIFY_BY_SOURCE[source](posted, EndpointSecrets(secrets, token_header="authorization"))
    assert len(compared) == 2
