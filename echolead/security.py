"""Secrets at rest, API keys, passwords, signed tokens, and their redaction in logs and records."""

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from echolead.settings import Settings

API_KEY, USER_TOKEN = "elk", "elu"
"""How API keys of tenants and tokens of users begin."""
KEY_PATTERN = r"%s_([a-z0-9]{10})_([A-Za-z0-9_-]{43})"
API_KEY_PREFIX_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"

TOKEN_ISSUER = "echolead"  # noqa: S105  # a public claim, as the next
TOKEN_ALGORITHM = "HS256"  # noqa: S105
MIN_TOKEN_KEY_BYTES = 32
# Clocks of two machines differ slightly.
CLOCK_SKEW_SECONDS = 5

REDACTED = "[redacted]"


class BadKey(Exception):
    """A key in the settings is missing or invalid; the message names it and says how to make one."""


class Undecryptable(Exception):
    """None of the configured keys decrypts the stored secret."""


class BadToken(Exception):
    """The token is forged, for another use, or expired. The message is for the log, not for the bearer."""


# Secrets at rest


class Vault:
    """Encrypts secrets (a JSON object) with the first of `keys`, and decrypts with any of them.

    `keys` are Fernet keys, comma-separated, the newest first, as in the variable `setting`. The secrets of the
    collector and of the delivery engine have different keys: an attacker in one of the two has the keys of one kind,
    and no rights in the database on the other kind. Raises `BadKey`.
    """

    def __init__(self, keys: str, setting: str = "ECHOLEAD_SECRET_KEYS") -> None:
        self._setting = setting
        each = [key.strip() for key in keys.split(",") if key.strip()]
        if not each:
            raise BadKey(
                f"{setting} is empty, so secrets cannot be kept. Make a key with "
                "`python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'`."
            )
        try:
            fernets = [Fernet(key) for key in each]
        except ValueError as error:
            raise BadKey(
                f"{setting} holds something that is not a Fernet key (32 bytes in URL-safe base64)."
            ) from error
        self._newest, self._fernet = fernets[0], MultiFernet(fernets)

    @classmethod
    def of_collector(cls, settings: Settings) -> Self:
        """For secrets of webhooks and of the chat widget. Also decrypts those under `secret_keys`, if that is set."""
        return cls(_keys(settings.collector_secret_keys, settings.secret_keys), "ECHOLEAD_COLLECTOR_SECRET_KEYS")

    @classmethod
    def of_destinations(cls, settings: Settings) -> Self:
        """For secrets of destinations. Also decrypts those under `secret_keys`, if that is set."""
        return cls(_keys(settings.destination_secret_keys, settings.secret_keys), "ECHOLEAD_DESTINATION_SECRET_KEYS")

    def encrypt(self, values: Mapping[str, str]) -> bytes:
        """The object, encrypted and authenticated."""
        return self._fernet.encrypt(json.dumps(dict(values), sort_keys=True).encode())

    def decrypt(self, token: bytes) -> dict[str, str]:
        """The object that was encrypted. Raises `Undecryptable`."""
        try:
            values: dict[str, str] = json.loads(self._fernet.decrypt(bytes(token)))
        except InvalidToken as error:
            raise Undecryptable(
                f"A stored secret cannot be decrypted: its key is no longer in {self._setting}. "
                "Put the old key back behind the new one, or enter the secret again."
            ) from error
        return values

    def rotate(self, token: bytes) -> bytes:
        """The same object under the first key; the time it was first encrypted is kept. Raises `Undecryptable`."""
        try:
            return self._fernet.rotate(bytes(token))
        except InvalidToken as error:
            raise Undecryptable(f"A stored secret cannot be decrypted with any key of {self._setting}.") from error

    def is_newest(self, token: bytes) -> bool:
        """Whether the first key encrypted it."""
        try:
            self._newest.decrypt(bytes(token))
        except InvalidToken:
            return False
        return True


def _keys(*each: SecretStr) -> str:
    return ",".join(keys.get_secret_value() for keys in each if keys.get_secret_value())


def new_secret_key() -> str:
    """A new key for a vault."""
    return Fernet.generate_key().decode()


# API keys


@dataclass(frozen=True)
class NewApiKey:
    """A new key, which is known only at this moment. `prefix` finds its row, which stores `key_hash`."""

    key: str = field(repr=False)
    prefix: str
    key_hash: str = field(repr=False)


@dataclass(frozen=True)
class PresentedApiKey:
    """The parts of a key that a client sent."""

    prefix: str
    secret: str = field(repr=False)

    def matches(self, key_hash: str) -> bool:
        """Whether it is the key with the stored hash, in constant time."""
        return hmac.compare_digest(_key_hash(self.secret), key_hash)


def new_api_key(kind: str = API_KEY) -> NewApiKey:
    """`elk_<prefix>_<secret>`: 10 characters for the look-up, 256 random bits as the secret."""
    prefix = "".join(secrets.choice(API_KEY_PREFIX_ALPHABET) for _ in range(10))
    secret = secrets.token_urlsafe(32)
    return NewApiKey(key=f"{kind}_{prefix}_{secret}", prefix=prefix, key_hash=_key_hash(secret))


def read_api_key(presented: str, kind: str = API_KEY) -> PresentedApiKey | None:
    """The parts of a key, None for other text."""
    match = re.fullmatch(KEY_PATTERN % kind, presented)
    return PresentedApiKey(prefix=match[1], secret=match[2]) if match else None


def _key_hash(secret: str) -> str:
    # Plain SHA-256: the secret is 256 random bits, which cannot be guessed even with a fast hash.
    return hashlib.sha256(secret.encode()).hexdigest()


# Passwords

# OWASP's first choice for argon2id (19 MiB, 2 passes, 1 lane): about 30 ms on one core.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@dataclass(frozen=True)
class PasswordCheck:
    """Whether the password is correct, and the hash to store instead if its parameters are outdated."""

    is_right: bool
    new_hash: str | None = field(default=None, repr=False)


def hash_password(password: str) -> str:
    """An argon2id PHC string."""
    return _hasher.hash(password)


def check_password(password: str, password_hash: str) -> PasswordCheck:
    """Compare a password with a stored hash; a hash of another kind never matches."""
    try:
        _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return PasswordCheck(is_right=False)
    stale = _hasher.check_needs_rehash(password_hash)
    return PasswordCheck(is_right=True, new_hash=_hasher.hash(password) if stale else None)


# Signed tokens


@dataclass(frozen=True)
class SignedIn:
    """The signed-in user with their current rights; `tenants` maps each tenant to their role in it."""

    user_id: UUID
    email: str
    name: str = ""
    is_superuser: bool = False
    tenants: Mapping[str, str] = field(default_factory=dict)
    installation_role: str | None = None
    """Their least role over all active tenants, None if they may not see every one (`operational.users`)."""
    language: str = ""
    """The language they chose in the console, '' before they choose one."""


@dataclass(frozen=True)
class TokenUse:
    """The use of a token: tokens of other uses and with a longer lifetime are refused."""

    audience: str
    lifetime_seconds: int


SESSION = TokenUse("echolead-console", 8 * 3600)
"""Its subject is the session's id: user and rights are looked up and are not in the token."""
DEVICE = TokenUse("echolead-device", 180 * 86_400)
"""Its subject identifies the account that has signed in from a device before (`operational.sign_in`)."""

PROVIDER_FLOW = TokenUse("echolead-provider-flow", 600)
"""Its subject is the address to go to after signing in at the provider (`ingest_api.control.provider_flow`)."""


@dataclass(frozen=True)
class ReadToken:
    """The content of a valid token: its subject and its id."""

    subject: str
    token_id: str


class SignedTokens:
    """Issues and reads the tokens of one use: JWT with HS256 only.

    `keys` is the value of ECHOLEAD_JWT_SECRET: one key, or several comma-separated while they are rotated; the first
    signs, `kid` identifies the one to check with. Raises `BadKey` for a key shorter than 32 bytes.
    """

    def __init__(self, keys: str, use: TokenUse) -> None:
        each = [key.strip() for key in keys.split(",") if key.strip()]
        if not each or any(len(key.encode()) < MIN_TOKEN_KEY_BYTES for key in each):
            raise BadKey(
                "ECHOLEAD_JWT_SECRET must be 32 bytes or more. Make one with "
                "`python -c 'import secrets; print(secrets.token_urlsafe(48))'`."
            )
        self._keys = {_key_id(key): key for key in each}
        self._signing_id = _key_id(each[0])
        self.use = use

    def issue(self, subject: str, *, now: float | None = None) -> str:
        """A token for `subject` from `now` (seconds since 1970, the present unless given)."""
        issued_at = int(time.time() if now is None else now)
        claims = {
            "iss": TOKEN_ISSUER,
            "aud": self.use.audience,
            "iat": issued_at,
            "exp": issued_at + self.use.lifetime_seconds,
            "jti": secrets.token_urlsafe(12),
            "sub": subject,
        }
        key = self._keys[self._signing_id]
        return jwt.encode(claims, key, algorithm=TOKEN_ALGORITHM, headers={"kid": self._signing_id})

    def read(self, token: str) -> ReadToken:
        """The token's content. Raises `BadToken`."""
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
        except (jwt.InvalidTokenError, KeyError, TypeError) as error:
            raise BadToken("The token is signed with a key we do not have.") from error
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[TOKEN_ALGORITHM],
                audience=self.use.audience,
                issuer=TOKEN_ISSUER,
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]},
            )
        except (jwt.InvalidTokenError, TypeError, ValueError) as error:
            raise BadToken(f"The token is not valid: {error}") from error
        if claims["exp"] - claims["iat"] > self.use.lifetime_seconds:
            raise BadToken("The token claims to last longer than its use allows.")
        return ReadToken(subject=claims["sub"], token_id=claims["jti"])


def _key_id(key: str) -> str:
    return hashlib.sha256(b"echolead-kid:" + key.encode()).hexdigest()[:12]


# Redaction

# Names of headers, fields and query parameters whose value is a secret, after lower-casing and `-` to `_`.
SECRET_NAME = re.compile(
    r"(^|_)(authorization|cookie|token|access_?token|secret|password|passwd|pwd|api_?key|apikey|private_?key|"
    r"client_?secret|credentials?|signature|jwt|session_?token|passphrase)$"
)
# Secrets inside text: our own API keys, JWTs, `Bearer …` and `Basic …`, and passwords in addresses.
SECRETS_IN_TEXT = (
    (re.compile(r"el[ku]_[a-z0-9]{10}_[A-Za-z0-9_-]{43}"), REDACTED),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), REDACTED),
    (re.compile(r"\b(bearer|basic) +[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1 {REDACTED}"),
    (re.compile(r"([a-z][a-z0-9+.-]{0,31}://[^\s/:@?#]*):[^\s/@]+@", re.IGNORECASE), rf"\1:{REDACTED}@"),
)
NAMED_IN_TEXT = re.compile(r"([?&;]|\b)([A-Za-z0-9_.-]{1,64})=([^&#\s;\"']+)")


def redact(value: Any, known: Collection[str] = ()) -> Any:
    """A copy of a JSON-like value (or of headers) that may be stored or logged.

    The value of every key that names a secret becomes `[redacted]`, and so do keys, bearer tokens, passwords in
    addresses and `known` secrets in all text. Everything else is unchanged.
    """
    if isinstance(value, Mapping):
        return {key: _redact_entry(str(key), entry, known) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [redact(entry, known) for entry in value]
    if isinstance(value, bytes):
        return redact_text(value.decode(errors="replace"), known)
    return redact_text(value, known) if isinstance(value, str) else value


def redact_text(text: str, known: Collection[str] = ()) -> str:
    """The text with every apparent secret, and each of `known`, replaced."""
    for secret in known:
        if secret:
            text = text.replace(secret, REDACTED)
    for pattern, replacement in SECRETS_IN_TEXT:
        text = pattern.sub(replacement, text)
    return NAMED_IN_TEXT.sub(_redact_assignment, text)


def _redact_entry(name: str, value: Any, known: Collection[str]) -> Any:
    if is_secret_name(name) and value not in (None, "", [], {}):
        return REDACTED
    return redact(value, known)


def _redact_assignment(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}={REDACTED}" if is_secret_name(match[2]) else match[0]


def is_secret_name(name: str) -> bool:
    """Whether a header, field or parameter with this name contains a secret (`Api-Access-Token`, `client_secret`)."""
    return SECRET_NAME.search(name.lower().replace("-", "_").replace(".", "_")) is not None
