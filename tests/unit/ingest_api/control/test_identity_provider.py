"""What proves who a person is at the identity provider, and what does not."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import ValidationError

from echolead.security import PROVIDER_FLOW, SESSION, BadKey, BadToken, SignedTokens
from echolead.settings import Settings
from ingest_api.control import identity_provider as client
from ingest_api.control import provider_answers
from ingest_api.control.identity_provider import BadIdentity, IdentityProvider
from ingest_api.control.provider_answers import ProviderUnavailable
from ingest_api.control.provider_flow import ProviderFlow, ProviderFlows
from tests.fixtures.identity_provider import CLIENT_ID, CLIENT_SECRET, FakeProvider, Key, identity_provider
from tests.fixtures.operational import JWT_SECRET
from tests.fixtures.parts import free_port

BACK = "http://console.test:8701/leads"
ANA = {"sub": "ana-1", "email": "Ana@Example.test", "email_verified": True}
FLOWS = ProviderFlows(JWT_SECRET)


@pytest.fixture(scope="module")
def served_provider() -> Iterator[FakeProvider]:
    with identity_provider() as served:
        yield served


@pytest.fixture
def fake(served_provider: FakeProvider) -> FakeProvider:
    """The provider with Ana signed in and no fault."""
    served_provider.__init__(issuer=served_provider.issuer, person=dict(ANA))  # type: ignore[misc]
    return served_provider


@pytest.fixture
async def ours(fake: FakeProvider) -> AsyncIterator[IdentityProvider]:
    made = IdentityProvider(fake.issuer, CLIENT_ID, CLIENT_SECRET, "http://console.test/login/oidc/callback")
    yield made
    await made.close()


async def returned(ours: IdentityProvider, flow: ProviderFlow) -> dict[str, str]:
    """What the browser comes back with after signing in."""
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(await ours.sign_in_url(flow))
    assert answer.status_code == 302, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def come_back(ours: IdentityProvider, flow: ProviderFlow | None = None) -> Any:
    """Who the provider says has signed in."""
    flow = flow or FLOWS.begin(BACK, BACK)
    back = await returned(ours, flow)
    assert flow.has_state(back["state"])
    return await ours.identity(back["code"], back["iss"], flow)


async def test_a_person_is_known_by_issuer_and_subject_with_their_verified_address(
    fake: FakeProvider, ours: IdentityProvider
) -> None:
    found = await come_back(ours)
    assert (found.issuer, found.subject) == (fake.issuer, "ana-1")
    assert (found.email, found.is_verified) == ("ana@example.test", True)


@pytest.mark.parametrize("methods", [["client_secret_basic"], ["client_secret_post", "client_secret_basic"]])
async def test_the_client_shows_its_secret_as_the_provider_asks(
    fake: FakeProvider, ours: IdentityProvider, methods: list[str]
) -> None:
    fake.auth_methods = methods
    assert (await come_back(ours)).subject == "ana-1"


async def test_an_address_that_is_not_in_the_id_token_is_asked_for(fake: FakeProvider, ours: IdentityProvider) -> None:
    fake.email_in_token = False
    found = await come_back(ours)
    assert (found.email, found.is_verified) == ("ana@example.test", True)


async def test_what_is_told_about_another_person_is_not_used(fake: FakeProvider, ours: IdentityProvider) -> None:
    fake.email_in_token = False
    fake.claims = {"sub": "somebody-else"}
    with pytest.raises(BadIdentity, match="another person"):
        await come_back(ours)


@pytest.mark.parametrize("verified", [False, "false", None, 0])
async def test_an_address_is_verified_only_where_the_provider_says_so(
    fake: FakeProvider, ours: IdentityProvider, verified: object
) -> None:
    fake.claims = {"email_verified": verified}
    found = await come_back(ours)
    assert (found.email, found.is_verified) == ("ana@example.test", False)


async def test_a_domains_owner_counts_at_microsoft_alone(fake: FakeProvider, ours: IdentityProvider) -> None:
    fake.claims = {"email_verified": None, "xms_edov": True}
    assert not (await come_back(ours)).is_verified
    microsoft = IdentityProvider("https://login.microsoftonline.com/t/v2.0", CLIENT_ID, CLIENT_SECRET, "")
    assert microsoft._is_verified({"xms_edov": True})
    assert not microsoft._is_verified({"xms_edov": False})
    await microsoft.close()


TIMES = ("iat", "exp")
"""Claims that stand here as seconds from now."""


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        pytest.param({"nonce": "of another sign-in"}, "another sign-in", id="wrong nonce"),
        pytest.param({"nonce": None}, "another sign-in", id="no nonce"),
        pytest.param({"aud": "another-client"}, "[Aa]udience", id="wrong audience"),
        pytest.param({"aud": None}, "aud", id="no audience"),
        pytest.param({"aud": [CLIENT_ID, "another-client"]}, "another client", id="two audiences, nobody named"),
        pytest.param({"azp": "another-client"}, "another client", id="made for another client"),
        pytest.param({"iss": "https://evil.test"}, "issuer", id="wrong issuer"),
        pytest.param({"iat": -900, "exp": -600}, "expired", id="expired"),
        pytest.param({"exp": None}, "exp", id="never expires"),
        pytest.param({"iat": 900, "exp": 1200}, "iat", id="made in the future"),
        pytest.param({"sub": None}, "sub", id="no subject"),
        pytest.param({"sub": ""}, "no person", id="empty subject"),
        pytest.param({"sub": "a" * 256}, "no person", id="long subject"),
    ],
)
async def test_claims_that_do_not_fit_prove_nobody(
    fake: FakeProvider, ours: IdentityProvider, claims: dict[str, Any], why: str
) -> None:
    now = int(time.time())
    fake.claims = {name: now + each if name in TIMES and each is not None else each for name, each in claims.items()}
    with pytest.raises(BadIdentity, match=why):
        await come_back(ours)


async def test_two_audiences_with_us_as_the_authorised_party_are_accepted(
    fake: FakeProvider, ours: IdentityProvider
) -> None:
    fake.claims = {"aud": [CLIENT_ID, "another-client"], "azp": CLIENT_ID}
    assert (await come_back(ours)).subject == "ana-1"


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        pytest.param(lambda fake: fake.unsigned, "'none'", id="alg none"),
        pytest.param(lambda fake: fake.signed_with_the_public_key, "'HS256'", id="HS256 with the public key"),
        pytest.param(lambda fake: lambda claims: fake.signed(claims, Key.new()), "does not publish", id="own key"),
        pytest.param(
            lambda fake: lambda claims: fake.signed(claims, Key(fake.keys[0].kid, Key.new().private)),
            "Signature",
            id="own key under the provider's name",
        ),
        pytest.param(lambda _: lambda _: "not.a.token", "not valid", id="no token"),
        pytest.param(lambda _: lambda _: None, "no ID token", id="nothing"),
    ],
)
async def test_a_token_that_the_provider_did_not_sign_proves_nobody(
    fake: FakeProvider, ours: IdentityProvider, forge: Callable[[FakeProvider], Callable[[Any], str]], why: str
) -> None:
    fake.forge = forge(fake)
    with pytest.raises(BadIdentity, match=why):
        await come_back(ours)


async def test_a_code_counts_once_and_only_with_the_verifier_of_its_flow(
    fake: FakeProvider, ours: IdentityProvider
) -> None:
    flow, other = FLOWS.begin(BACK, BACK), FLOWS.begin(BACK, BACK)
    back = await returned(ours, flow)
    await ours.identity(back["code"], back["iss"], flow)
    with pytest.raises(BadIdentity, match="invalid_grant"):
        await ours.identity(back["code"], back["iss"], flow)
    stolen = await returned(ours, flow)
    with pytest.raises(BadIdentity, match="invalid_grant"):
        await ours.identity(stolen["code"], stolen["iss"], other)


@pytest.mark.parametrize("answering", ["https://evil.test", None])
async def test_an_answer_of_another_issuer_is_not_used(
    fake: FakeProvider, ours: IdentityProvider, answering: str | None
) -> None:
    flow = FLOWS.begin(BACK, BACK)
    back = await returned(ours, flow)
    with pytest.raises(BadIdentity, match="another issuer"):
        await ours.identity(back["code"], answering, flow)
    assert fake.asked.get("/token", 0) == 0


async def test_keys_are_read_once_and_again_when_the_provider_signs_with_a_new_one(
    fake: FakeProvider, ours: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "KEYS_PAUSE_SECONDS", 3_600.0)  # however busy the machine is
    for _ in range(3):
        await come_back(ours)
    assert (fake.asked["/keys"], fake.asked["/.well-known/openid-configuration"]) == (1, 1)
    fake.rotate()
    with pytest.raises(BadIdentity, match="does not publish"):
        await come_back(ours)  # the keys were read a moment ago
    assert fake.asked["/keys"] == 1
    monkeypatch.setattr(client, "KEYS_PAUSE_SECONDS", 0.0)
    assert (await come_back(ours)).subject == "ana-1"
    assert fake.asked["/keys"] == 2


async def test_a_provider_that_is_down_or_slow_is_given_up_and_not_asked_again_at_once(
    fake: FakeProvider, ours: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_answers, "CALL_SECONDS", 0.1)
    monkeypatch.setattr(provider_answers, "PAUSE_SECONDS", 3_600.0)  # however busy the machine is
    fake.delay_seconds = 30
    for _ in range(3):
        with pytest.raises(ProviderUnavailable, match="did not answer within"):
            await ours.sign_in_url(FLOWS.begin(BACK, BACK))
    assert sum(fake.asked.values()) <= 1  # the first may have given up before it was heard
    nobody = IdentityProvider(f"http://127.0.0.1:{free_port()}", CLIENT_ID, CLIENT_SECRET, "")
    with pytest.raises(ProviderUnavailable, match="ConnectError"):
        await nobody.sign_in_url(FLOWS.begin(BACK, BACK))
    await nobody.close()


async def test_a_provider_that_was_down_works_again(
    fake: FakeProvider, ours: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_answers, "PAUSE_SECONDS", 0.0)
    fake.is_broken = True
    with pytest.raises(ProviderUnavailable, match="502"):
        await come_back(ours)
    fake.is_broken = False
    assert (await come_back(ours)).subject == "ana-1"


@pytest.mark.parametrize(
    ("discovery", "why"),
    [
        pytest.param({"issuer": "https://evil.test"}, "exactly the same", id="another issuer"),
        pytest.param({"token_endpoint": "ftp://evil.test/token"}, "token_endpoint", id="no https"),
        pytest.param({"jwks_uri": None}, "jwks_uri", id="no keys"),
        pytest.param({"filler": "x" * 300_000}, "more than", id="too large"),
    ],
)
async def test_a_discovery_document_that_cannot_be_used_is_named(
    fake: FakeProvider, ours: IdentityProvider, discovery: dict[str, Any], why: str
) -> None:
    fake.discovery = discovery
    with pytest.raises(ProviderUnavailable, match=why):
        await come_back(ours)


async def test_a_wrong_client_secret_is_the_operators_matter(fake: FakeProvider) -> None:
    wrong = IdentityProvider(fake.issuer, CLIENT_ID, "wrong", "http://console.test/login/oidc/callback")
    with pytest.raises(ProviderUnavailable, match="ECHOLEAD_OIDC_CLIENT_SECRET") as error:
        await come_back(wrong)
    assert CLIENT_SECRET not in str(error.value)
    await wrong.close()


async def test_no_more_than_some_sign_in_at_once(
    fake: FakeProvider, ours: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_AT_ONCE", 0)
    with pytest.raises(ProviderUnavailable, match="at this moment"):
        await come_back(ours)


def test_a_flow_is_read_back_from_its_cookie_and_from_no_other() -> None:
    flow = FLOWS.begin(BACK, "default")
    assert FLOWS.resume(flow.token) == flow
    assert len({flow.state, flow.nonce, flow.verifier, flow.token}) == 4
    assert 43 <= len(flow.verifier) <= 128  # RFC 7636, section 4.1
    assert not FLOWS.begin(BACK, "default").has_state(flow.state)
    assert not ProviderFlows("o" * 64).begin(BACK, "default").has_state(flow.state)
    assert FLOWS.begin("http://console.test/" + "x" * 2_000, "default").back == "default"


def test_a_session_is_no_way_to_the_provider_and_such_a_way_no_session() -> None:
    with pytest.raises(BadToken):
        FLOWS.resume(SignedTokens(JWT_SECRET, SESSION).issue(BACK))
    with pytest.raises(BadToken):
        SignedTokens(JWT_SECRET, SESSION).read(FLOWS.begin(BACK, BACK).token)
    assert SignedTokens(JWT_SECRET, PROVIDER_FLOW).read(FLOWS.begin(BACK, BACK).token).subject == BACK


@pytest.mark.parametrize(
    "issuer",
    ["http://login.example.com", "https://user@example.com", "https://example.com/?a=b", "ftp://a", "example.com"],
)
def test_an_issuer_is_https_or_on_this_machine(issuer: str) -> None:
    with pytest.raises(ValidationError, match="oidc_issuer"):
        Settings(oidc_issuer=issuer)


@pytest.mark.parametrize(
    "settings",
    [
        {"oidc_issuer": "https://login.example.com", "oidc_client_secret": "x"},
        {"oidc_issuer": "https://login.example.com", "oidc_client_id": "x"},
        {"passwords_of_admins_only": True},
    ],
)
def test_half_a_provider_is_refused_at_the_start(settings: dict[str, Any]) -> None:
    with pytest.raises(BadKey, match="ECHOLEAD_OIDC_"):
        IdentityProvider.of(Settings(**settings))
