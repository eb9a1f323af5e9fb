"""Tokens that are forged, borrowed or over, at an operation of the control API: each is refused alike."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text

from echolead.operational.database import system_session
from echolead.operational.users import set_user_active
from echolead.security import DEVICE, SESSION, SignedTokens
from tests.fixtures.control_api import ControlApi
from tests.fixtures.operational import JWT_SECRET

Parts = tuple[dict[str, Any], dict[str, Any]]
Forge = Callable[[Parts], str]


def part(value: Mapping[str, Any]) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def signed(parts: Parts, key: str = JWT_SECRET, algorithm: str = "HS256", **header: Any) -> str:
    """These claims, signed with a key, with other values in the header."""
    return jwt.encode(parts[1], key, algorithm=algorithm, headers={**parts[0], "alg": algorithm, **header})


def unsigned(parts: Parts, algorithm: str) -> str:
    """A token without a signature, by the name that the header gives the algorithm."""
    return f"{part({**parts[0], 'alg': algorithm})}.{part(parts[1])}."


def claims(parts: Parts, **values: Any) -> Parts:
    """The parts with other claims; None removes one."""
    changed = {name: value for name, value in {**parts[1], **values}.items() if value is not None}
    return parts[0], changed


def rsa_key() -> RSAPrivateKey:
    """A key that any user can make."""
    return generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(key: RSAPrivateKey) -> str:
    """Its public part, which is no secret."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def by_rsa(parts: Parts, algorithm: str, key: RSAPrivateKey) -> str:
    """Signed with an own RSA key, with it in the header as some libraries read it."""
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return jwt.encode(parts[1], key, algorithm=algorithm, headers={**parts[0], "alg": algorithm, "jwk": jwk})


def by_hmac(parts: Parts, key: bytes, digest: str = "sha256", **header: Any) -> str:
    """Signed with any secret, also one that libraries refuse."""
    body = f"{part({**parts[0], **header})}.{part(parts[1])}"
    signature = hmac.digest(key, body.encode(), digest)
    return f"{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def now(seconds: float = 0) -> int:
    """A moment as claims have it."""
    return int(time.time() + seconds)


FORGED: dict[str, Forge] = {
    "no algorithm": lambda parts: unsigned(parts, "none"),
    "no algorithm in capitals": lambda parts: unsigned(parts, "NONE"),
    "no algorithm, kept signature": lambda parts: unsigned(parts, "none") + signed(parts).rpartition(".")[2],
    "no signature": lambda parts: signed(parts).rpartition(".")[0] + ".",
    "two parts": lambda parts: signed(parts).rpartition(".")[0],
    "another algorithm of our key": lambda parts: by_hmac(parts, JWT_SECRET.encode(), "sha512", alg="HS512"),
    "an own RSA key": lambda parts: by_rsa(parts, "RS256", rsa_key()),
    "a public key as the secret": lambda parts: by_hmac(parts, public_pem(rsa_key()).encode()),
    "another secret": lambda parts: signed(parts, "x" * 48),
    "an empty secret": lambda parts: by_hmac(parts, b"", kid=""),
    "an unknown key id": lambda parts: signed(parts, kid="0" * 12),
    "a key id that is a path": lambda parts: signed(parts, kid="../../../../dev/null"),
    "a key id that is SQL": lambda parts: signed(parts, kid="' union select 'x' --"),
    "a key id that is no text": lambda parts: f"{part({**parts[0], 'kid': [1]})}.{signed(parts).partition('.')[2]}",
    "no key id": lambda parts: f"{part({'alg': 'HS256'})}.{signed(parts).partition('.')[2]}",
    "a key by address": lambda parts: signed(parts, "x" * 48, jku="https://evil.example/keys", kid="0" * 12),
    "a critical extension": lambda parts: signed(parts, crit=["exp2"], exp2=1),
    "another audience": lambda parts: signed(claims(parts, aud="echolead-dagster")),
    "several audiences without ours": lambda parts: signed(claims(parts, aud=["a", "b"])),
    "no audience": lambda parts: signed(claims(parts, aud=None)),
    "another issuer": lambda parts: signed(claims(parts, iss="evil")),
    "expired": lambda parts: signed(claims(parts, iat=now(-900), exp=now(-60))),
    "no end": lambda parts: signed(claims(parts, exp=None)),
    "an end that is no number": lambda parts: signed(claims(parts, exp="never")),
    "a longer life than ours": lambda parts: signed(claims(parts, exp=now(10 * 365 * 86_400))),
    "not yet valid": lambda parts: signed(claims(parts, nbf=now(3600))),
    "issued tomorrow": lambda parts: signed(claims(parts, iat=now(86_400), exp=now(87_000))),
    "a session that is not there": lambda parts: signed(claims(parts, sub=str(uuid4()))),
    "a subject that is no session": lambda parts: signed(claims(parts, sub="1 or 1=1")),
    "no subject": lambda parts: signed(claims(parts, sub=None)),
    "tampered claims": lambda parts: ".".join(
        (part(parts[0]), part({**parts[1], "sub": str(uuid4())}), signed(parts).rpartition(".")[2])
    ),
    "a token of devices": lambda parts: SignedTokens(JWT_SECRET, DEVICE).issue(parts[1]["sub"]),
    "not a token": lambda _: "eyJ.eyJ.x",
    "an API key": lambda _: f"elk_{'a' * 10}_{'b' * 43}",
}


@pytest.fixture(scope="module")
def place(control: ControlApi) -> tuple[str, str]:
    """A tenant, and a token of its admin that is in order."""
    tenant = control.tenant()
    return tenant, control.token(control.user({tenant: "admin"}))


def parts_of(token: str) -> Parts:
    """Header and claims."""
    return jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})


def refused(control: ControlApi, tenant: str, token: str) -> None:
    """Reading and changing are refused with the problem that every such token gets."""
    bearer = {"Authorization": f"Bearer {token}"}
    for method, path in (("GET", f"/v1/tenants/{tenant}"), ("POST", f"/v1/tenants/{tenant}/keys")):
        body = {"name": uuid4().hex} if method == "POST" else None
        answer = control.client.request(method, path, headers=bearer, json=body)
        assert (answer.status_code, answer.json()["type"]) == (401, "/problems/not-signed-in"), answer.text
        assert token not in answer.text


def test_the_token_itself_is_in_order(control: ControlApi, place: tuple[str, str]) -> None:
    tenant, token = place
    for each in (token, signed(parts_of(token))):
        bearer = {"Authorization": f"Bearer {each}"}
        assert control.client.get(f"/v1/tenants/{tenant}", headers=bearer).status_code == 200


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_forged_token_is_refused(control: ControlApi, place: tuple[str, str], forge: Forge) -> None:
    tenant, token = place
    refused(control, tenant, forge(parts_of(token)))


def test_tokens_of_a_session_that_ended_and_of_a_disabled_user_are_refused(control: ControlApi) -> None:
    tenant = control.tenant()
    signed_out, over, disabled = (control.user({tenant: "admin"}) for _ in range(3))
    tokens = {email: control.token(email) for email in (signed_out, over, disabled)}
    control.client.post("/v1/logout", headers={"Authorization": f"Bearer {tokens[signed_out]}"})
    with system_session(control.system) as session:
        ended = "update user_sessions set ends_at = now() from users where users.user_id = user_sessions.user_id"
        session.execute(text(f"{ended} and email = :email"), {"email": over})
        set_user_active(session, disabled, False, actor="test")
    for token in tokens.values():
        refused(control, tenant, token)


def test_a_token_of_another_tenant_opens_none_but_its_own_whatever_its_claims_say(
    control: ControlApi, place: tuple[str, str]
) -> None:
    theirs, (_, token) = control.tenant(), place
    claimed = signed(claims(parts_of(token), tenants={theirs: "admin"}, role="platform", is_superuser=True))
    for each in (token, claimed):
        answer = control.client.get(f"/v1/tenants/{theirs}", headers={"Authorization": f"Bearer {each}"})
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden")
    assert SignedTokens(JWT_SECRET, SESSION).read(claimed).subject == parts_of(token)[1]["sub"]
