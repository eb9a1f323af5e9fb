"""Secrets at rest, keys, passwords, session tokens and redaction."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import jwt
import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from echolead.security import (
    DEVICE,
    REDACTED,
    SESSION,
    BadKey,
    BadToken,
    SignedTokens,
    Undecryptable,
    Vault,
    check_password,
    hash_password,
    is_secret_name,
    new_api_key,
    new_secret_key,
    read_api_key,
    redact,
    redact_text,
)

OLD, NEW = new_secret_key(), new_secret_key()
KEY = "k" * 64
ANA = str(UUID(int=7))
TOKENS = SignedTokens(KEY, SESSION)


# Secrets at rest


@settings(deadline=None)  # the machine's load is not what is tested
@given(st.dictionaries(st.text(), st.text()))
def test_what_the_vault_encrypts_it_decrypts(values: dict[str, str]) -> None:
    vault = Vault(NEW)
    assert vault.decrypt(vault.encrypt(values)) == values


def test_secrets_of_the_old_key_are_decrypted_while_both_keys_are_set() -> None:
    stored = Vault(OLD).encrypt({"token": "abc"})
    both = Vault(f"{NEW}, {OLD}")
    assert both.decrypt(stored) == {"token": "abc"}
    rotated = both.rotate(stored)
    assert Vault(NEW).decrypt(rotated) == {"token": "abc"}
    with pytest.raises(Undecryptable):
        Vault(OLD).decrypt(rotated)


@pytest.mark.parametrize("act", ["decrypt", "rotate"])
def test_a_secret_of_a_lost_or_changed_key_is_undecryptable(act: str) -> None:
    stored = Vault(OLD).encrypt({"token": "abc"})
    changed = stored[:40] + (b"A" if stored[40:41] != b"A" else b"B") + stored[41:]
    for vault, token in ((Vault(NEW), stored), (Vault(OLD), changed)):
        with pytest.raises(Undecryptable, match="ECHOLEAD_SECRET_KEYS"):
            getattr(vault, act)(token)


@pytest.mark.parametrize(
    "keys", ["", " , ", "short", f"{NEW},short"], ids=["none", "blanks", "a short one", "a short one behind a good one"]
)
def test_a_missing_or_malformed_key_is_refused_without_repeating_it(keys: str) -> None:
    with pytest.raises(BadKey, match="ECHOLEAD_SECRET_KEYS") as caught:
        Vault(keys)
    assert "short" not in str(caught.value)


# API keys


def test_a_presented_key_is_found_by_its_prefix_and_proven_by_its_secret() -> None:
    made = new_api_key()
    presented = read_api_key(made.key)
    assert presented is not None
    assert presented.prefix == made.prefix
    assert presented.matches(made.key_hash)
    assert not presented.matches(new_api_key().key_hash)
    assert presented.secret not in made.key_hash


def test_keys_do_not_repeat_and_do_not_show_themselves() -> None:
    made = [new_api_key() for _ in range(50)]
    assert len({key.key for key in made}) == len({key.prefix for key in made}) == 50
    assert made[0].key.split("_", 2)[2] not in repr(made[0])
    assert "secret" not in repr(read_api_key(made[0].key))


@pytest.mark.parametrize(
    "text", ["", "elk_", "elk_abc_def", "ELK_abcdefghij_" + "a" * 43, "elk_abcdefghij_" + "a" * 43 + "\n", "x" * 10_000]
)
def test_text_that_cannot_be_a_key_is_none(text: str) -> None:
    assert read_api_key(text) is None


# Passwords


def test_a_password_is_checked_against_its_argon2id_hash() -> None:
    stored = hash_password("a-long-password")
    assert stored.startswith("$argon2id$")
    assert hash_password("a-long-password") != stored
    assert check_password("a-long-password", stored).is_right
    assert check_password("a-long-password", stored).new_hash is None
    assert not check_password("another-password", stored).is_right


def test_a_correct_password_with_old_parameters_is_hashed_again() -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash("a-long-password")
    check = check_password("a-long-password", weak)
    assert check.is_right
    assert check.new_hash is not None
    assert check_password("a-long-password", check.new_hash).new_hash is None
    assert check_password("wrong", weak).new_hash is None


@pytest.mark.parametrize("stored", ["", "x", "$2b$12$abcdefghijklmnopqrstuv", "a-long-password"])
def test_a_hash_of_another_kind_is_a_wrong_password(stored: str) -> None:
    assert not check_password("a-long-password", stored).is_right


# Signed tokens


def test_a_token_has_its_subject_and_a_unique_id() -> None:
    one, other = (TOKENS.read(TOKENS.issue(ANA)) for _ in range(2))
    assert one.subject == other.subject == ANA
    assert one.token_id != other.token_id


def test_a_token_of_another_use_is_refused() -> None:
    with pytest.raises(BadToken):
        TOKENS.read(SignedTokens(KEY, DEVICE).issue(ANA))


def test_a_token_holds_for_eight_hours_and_no_longer() -> None:
    now = time.time()
    claims = jwt.decode(TOKENS.issue(ANA), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 8 * 3600
    assert TOKENS.read(TOKENS.issue(ANA, now=now - 8 * 3600 + 60)).subject == ANA
    with pytest.raises(BadToken, match="expired"):
        TOKENS.read(TOKENS.issue(ANA, now=now - 8 * 3600 - 60))


def test_while_keys_rotate_both_are_read_and_the_new_one_signs() -> None:
    newer = "n" * 48
    both = SignedTokens(f"{newer},{KEY}", SESSION)
    assert both.read(TOKENS.issue(ANA)).subject == ANA
    assert SignedTokens(newer, SESSION).read(both.issue(ANA)).subject == ANA
    with pytest.raises(BadToken):
        TOKENS.read(both.issue(ANA))


@pytest.mark.parametrize("keys", ["", "short", f"{KEY},short"])
def test_a_short_key_is_refused(keys: str) -> None:
    with pytest.raises(BadKey, match="ECHOLEAD_JWT_SECRET"):
        SignedTokens(keys, SESSION)


def _claims(**changes: Any) -> dict[str, Any]:
    claims = {**jwt.decode(TOKENS.issue(ANA), options={"verify_signature": False}), **changes}
    return {name: value for name, value in claims.items() if value is not None}


def _signed(key: Any = KEY, algorithm: str = "HS256", kid: Any = "ours", **changes: Any) -> str:
    ours = jwt.get_unverified_header(TOKENS.issue(ANA))["kid"]
    headers = {} if kid is None else {"kid": ours if kid == "ours" else kid}
    return jwt.encode(_claims(**changes), key, algorithm=algorithm, headers=headers)


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _unsigned(algorithm: str, signature: str = "") -> str:
    ours = jwt.get_unverified_header(TOKENS.issue(ANA))["kid"]
    return f"{_part({'alg': algorithm, 'typ': 'JWT', 'kid': ours})}.{_part(_claims())}.{signature}"


def _with_public_key_as_secret() -> str:
    public = rsa.generate_private_key(65537, 2048).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = f"{_part({'alg': 'HS256', 'jwk': {'k': 'x'}, 'jku': 'https://evil.test/'})}.{_part(_claims())}"
    return f"{head}.{base64.urlsafe_b64encode(pem[:32]).decode().rstrip('=')}"


def _payload_swapped() -> str:
    head, _, signature = TOKENS.issue(ANA).split(".")
    return f"{head}.{_part(_claims(sub=str(UUID(int=8))))}.{signature}"


def _in_hours(hours: int) -> int:
    return int(time.time()) + hours * 3600


# Made when they are used: what is good in an hour would be good by then in a long run.
FORGERIES: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "not a token": lambda: "a.b.c",
    "two parts": lambda: "a.b",
    "alg none": lambda: _unsigned("none"),
    "alg None, capital": lambda: _unsigned("None"),
    "alg nOnE with a signature": lambda: _unsigned("nOnE", "AAAA"),
    "signature removed": lambda: TOKENS.issue(ANA).rpartition(".")[0] + ".",
    "signature cut": lambda: TOKENS.issue(ANA)[:-4],
    "payload swapped": _payload_swapped,
    "another key": lambda: _signed("o" * 64),
    "another key of ours by name only": lambda: _signed("o" * 64, kid="ours"),
    "unknown kid": lambda: _signed(kid="unknown"),
    "kid as a path": lambda: _signed(kid="../../dev/null"),
    "no kid": lambda: _signed(kid=None),
    "HS384": lambda: _signed(algorithm="HS384"),
    "HS512": lambda: _signed(algorithm="HS512"),
    "RS256": lambda: _signed(rsa.generate_private_key(65537, 2048), "RS256"),
    "embedded key": _with_public_key_as_secret,
    "another audience": lambda: _signed(aud="another"),
    "no audience": lambda: _signed(aud=None),
    "another issuer": lambda: _signed(iss="evil"),
    "no issuer": lambda: _signed(iss=None),
    "expired": lambda: _signed(iat=_in_hours(-2), exp=_in_hours(-1)),
    "no expiry": lambda: _signed(exp=None),
    "no time of issue": lambda: _signed(iat=None),
    "issued in the future": lambda: _signed(iat=_in_hours(1), exp=_in_hours(2)),
    "good for a year": lambda: _signed(exp=_in_hours(365 * 24)),
    "not yet good": lambda: _signed(nbf=_in_hours(1)),
    "no subject": lambda: _signed(sub=None),
    "no id": lambda: _signed(jti=None),
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES)
def test_a_token_of_another_issuer_audience_or_time_is_refused(forged: Callable[[], str]) -> None:
    token = forged()
    with pytest.raises(BadToken):
        TOKENS.read(token)


# Redaction

API_KEY = new_api_key().key
TOKEN = TOKENS.issue(ANA)


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "Proxy-Authorization", "api_access_token", "Api-Access-Token", "Cookie", "Set-Cookie"),
        *("password", "client_secret", "X-Api-Key", "apikey", "refresh_token", "token", "X-Chatwoot-Signature"),
        *("private_key", "secret", "hub.access_token"),
    ],
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_secret_name(name)
    assert redact({name: "value", "other": 1}) == {name: REDACTED, "other": 1}


@pytest.mark.parametrize(
    "name", ["email", "tracking_id", "token_type", "tokens_used", "keyword", "account_id", "secretary", "gclid"]
)
def test_names_of_other_things_are_left_alone(name: str) -> None:
    assert redact({name: "value"}) == {name: "value"}


def test_secrets_are_found_deep_inside_and_the_original_is_untouched() -> None:
    original = {"a": [{"headers": {"Cookie": "x=1"}}], "b": ({"token": ["t"]},), "c": None, "token": None, "d": 1.5}
    before = json.dumps(original)
    assert redact(original) == {
        "a": [{"headers": {"Cookie": REDACTED}}],
        "b": [{"token": REDACTED}],
        "c": None,
        "token": None,
        "d": 1.5,
    }
    assert json.dumps(original) == before


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        pytest.param(f"key {API_KEY}.", f"key {REDACTED}.", id="API key"),
        pytest.param(f"got {TOKEN} from", f"got {REDACTED} from", id="JWT"),
        pytest.param("Authorization: Bearer abcdefgh1234", f"Authorization: Bearer {REDACTED}", id="bearer"),
        pytest.param("postgresql://u:p4ss@h:5432/d", f"postgresql://u:{REDACTED}@h:5432/d", id="address"),
        pytest.param("GET /x?a=1&access_token=abc&b=2", f"GET /x?a=1&access_token={REDACTED}&b=2", id="query string"),
        pytest.param("https://lp.test/?utm_source=google", "https://lp.test/?utm_source=google", id="nothing secret"),
        pytest.param("Olá, meu e-mail é ana@example.test", "Olá, meu e-mail é ana@example.test", id="prose"),
    ],
)
def test_secrets_in_text_are_replaced_and_the_rest_stays(text: str, seen: str) -> None:
    assert redact_text(text) == seen


def test_known_secrets_are_replaced_everywhere() -> None:
    answer = {"message": "bad token s3cr3t-value for account 1", "n": ["s3cr3t-value"]}
    assert redact(answer, known=["s3cr3t-value", ""]) == {
        "message": f"bad token {REDACTED} for account 1",
        "n": [REDACTED],
    }


def test_bytes_become_text() -> None:
    assert redact(b"caf\xc3\xa9 \xff token=abc") == f"café \ufffd token={REDACTED}"


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    )
)
def test_redacting_any_json_twice_changes_nothing_more(value: Any) -> None:
    once = redact(value)
    assert redact(once) == once
    json.dumps(once)
