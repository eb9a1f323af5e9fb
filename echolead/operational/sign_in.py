"""Signing in, throttled across all workers, so that guessing is slow and locks no owner out (docs/decisions/0015)."""

import hashlib
import hmac
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from echolead.operational import audit
from echolead.operational.database import system_session
from echolead.operational.identities import IdentityRefused, ProvenIdentity, user_of_identity
from echolead.operational.models import SignInAttempt, User
from echolead.operational.sessions import end_session, open_session, user_of
from echolead.operational.users import authenticate, set_language, signed_in
from echolead.security import DEVICE, SESSION, BadToken, SignedIn, SignedTokens
from echolead.settings import Settings

WINDOW = timedelta(minutes=15)
DEVICE_LIMIT = 8
"""Failures on one device that has signed in to the account before: failures elsewhere do not count for it."""
ACCOUNT_AND_NETWORK_LIMIT = 8
NETWORK_LIMIT = 40  # an office shares one
ACCOUNT_LIMIT = 100
"""Failures of an account on unknown devices, from all networks: the limit for an attacker with many networks."""
NOTED_LIMIT = 100
"""Denials of the identity provider that are written down in a window: anyone can cause one, and the log only grows."""


class TooManyAttempts(Exception):
    """Too many earlier failures; `retry_after_seconds` until the oldest expires."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"Too many attempts; try again in {retry_after_seconds} seconds.")
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True)
class Opened:
    """A new session: its user, its token, and the token that makes the device known."""

    who: SignedIn
    token: str
    device_token: str


class SignIn:
    """Checks e-mail and password against the users of the database, and keeps their sessions.

    An attempt is recorded before the password is checked, so that all of a burst of parallel guesses are counted, and
    removed if it succeeds. The record contains HMACs: it reveals no account, network or device.
    """

    def __init__(self, engine: Engine, keys: str, *, passwords_of_admins_only: bool = False) -> None:
        """`keys` is ECHOLEAD_JWT_SECRET. Raises `BadKey` if it is missing or short.

        With `passwords_of_admins_only` the passwords of other users than platform administrators are not accepted.
        """
        self._engine = engine
        self.passwords_of_admins_only = passwords_of_admins_only
        self._key = keys.encode()
        self._sessions = SignedTokens(keys, SESSION)
        self._devices = SignedTokens(keys, DEVICE)

    @classmethod
    def of(cls, settings: Settings, engine: Engine) -> "SignIn":
        """Made from the settings. Raises `BadKey`."""
        return cls(
            engine,
            settings.jwt_secret.get_secret_value(),
            passwords_of_admins_only=settings.passwords_of_admins_only,
        )

    def sign_in(self, email: str, password: str, network: str, device_tokens: Iterable[str] = ()) -> Opened | None:
        """A session for this e-mail and password, None if one of them is wrong.

        `network` identifies the client's network; `device_tokens` are those of its device. Raises `TooManyAttempts`.
        """
        account = email.strip().lower()
        limits = self._limits(account, network, self._known_device(account, device_tokens))
        mine = self._count(limits)
        opened = self._open(account, password)
        if opened is not None:
            # Failures from other devices and networks stay counted; those from here are removed.
            here = next(iter(limits))
            self._strike_out((SignInAttempt.subject == here) | SignInAttempt.attempt_id.in_(mine))
        return opened

    def count_return(self, network: str) -> Sequence[int]:
        """Count that someone of this network comes back from the identity provider. Raises `TooManyAttempts`.

        Returns what `sign_in_identity` takes back when the person is let in, and `take_back` otherwise.
        """
        return self._count({self._subject("provider and network", network): NETWORK_LIMIT})

    def sign_in_identity(self, identity: ProvenIdentity, counted: Sequence[int]) -> Opened:
        """A session for a person whom the identity provider knows. Raises `IdentityRefused`, which is in the audit log.

        `counted` is what `count_return` returned for this attempt.
        """
        try:
            with system_session(self._engine) as session:
                user = user_of_identity(session, identity)
                opened = self._open_for(session, user, by="identity provider")
        except IdentityRefused as refusal:
            self._note_refusal(identity.email or identity.subject, refusal.reason, issuer=identity.issuer)
            raise
        if opened is None:
            self._note_refusal(identity.email, "disabled", issuer=identity.issuer)
            raise IdentityRefused("disabled", identity)
        self.take_back(counted)
        return opened

    def note_denial(self, issuer: str, reason: str, said: str) -> None:
        """Write down that nobody was signed in through the provider: it denied it, or what came back proves nobody.

        Who it was is not known. `said` is what the provider or the check of its answer said.
        """
        try:
            self._count({self._subject("denials", issuer): NOTED_LIMIT})
        except TooManyAttempts:
            return
        self._note_refusal(issuer, reason, said="".join(each for each in said[:200] if each.isprintable()))

    def take_back(self, counted: Sequence[int]) -> None:
        """Count an attempt no more, as it was no guess. `counted` is what `count_return` returned."""
        self._strike_out(SignInAttempt.attempt_id.in_(counted))

    def present(self, token: str) -> SignedIn | None:
        """The session's user with their current roles; None if it has ended or the user is deleted or disabled."""
        session_id = self._session_id(token)
        if session_id is None:
            return None
        with system_session(self._engine) as session:
            user = user_of(session, session_id)
            return signed_in(session, user) if user is not None else None

    def sign_out(self, token: str) -> None:
        """End the session of a token, and so every copy of the token; an invalid token has no session."""
        session_id = self._session_id(token)
        if session_id is not None:
            with system_session(self._engine) as session:
                end_session(session, session_id)

    def set_language(self, user_id: UUID, language: str) -> None:
        """Remember in which language a user reads the console. Raises `ChangeRefused`."""
        with system_session(self._engine) as session:
            set_language(session, user_id, language)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _open(self, account: str, password: str) -> Opened | None:
        with system_session(self._engine) as session:
            user = authenticate(session, account, password)
            is_switched_off = self.passwords_of_admins_only and user is not None and not user.is_superuser
            if user is not None and not is_switched_off:
                return self._open_for(session, user, by="password")
        if is_switched_off:
            self._note_refusal(account, "passwords_switched_off")
        return None

    def _open_for(self, session: Session, user: User, *, by: str) -> Opened | None:
        """A session of a user who has shown who they are; None if they were disabled or changed meanwhile."""
        session_id = open_session(session, user)
        if session_id is None:
            return None
        audit.record(session, actor=f"user:{user.email}", action="user.signed_in", subject=user.email, by=by)
        token, device_token = self._sessions.issue(str(session_id)), self._devices.issue(_account_of_device(user.email))
        return Opened(signed_in(session, user), token, device_token)

    def _note_refusal(self, subject: str, reason: str, **detail: str) -> None:
        """Write a refusal down, in a transaction of its own."""
        with system_session(self._engine) as session:
            audit.record(session, actor="api", action="user.sign_in_refused", subject=subject, reason=reason, **detail)

    def _count(self, limits: Mapping[str, int]) -> Sequence[int]:
        """Count an attempt for each subject, and return the ids of its rows. Raises `TooManyAttempts`."""
        mine = self._write_down(limits)
        wait = max(self._wait(subject, limit) for subject, limit in limits.items())
        if wait:
            # A refused attempt does not count, so that a user who keeps trying is not locked out for longer.
            self._strike_out(SignInAttempt.attempt_id.in_(mine))
            raise TooManyAttempts(wait)
        return mine

    def _session_id(self, token: str) -> UUID | None:
        try:
            return UUID(self._sessions.read(token).subject)
        except (BadToken, ValueError):
            return None

    def _known_device(self, account: str, tokens: Iterable[str]) -> str | None:
        """The id of the device if one of its tokens belongs to this account."""
        for token in tokens:
            try:
                read = self._devices.read(token)
            except BadToken:
                continue
            if hmac.compare_digest(read.subject.encode(), _account_of_device(account).encode()):
                return read.token_id
        return None

    def _limits(self, account: str, network: str, device: str | None) -> dict[str, int]:
        """The limit of each subject for which this attempt counts; the first is the narrowest."""
        if device is not None:
            return {self._subject("device", device): DEVICE_LIMIT}
        return {
            self._subject("account and network", f"{account} {network}"): ACCOUNT_AND_NETWORK_LIMIT,
            self._subject("network", network): NETWORK_LIMIT,
            self._subject("account", account): ACCOUNT_LIMIT,
        }

    def _subject(self, kind: str, value: str) -> str:
        return hmac.digest(self._key, f"sign-in:{kind}:{value}".encode(), "sha256").hex()

    def _write_down(self, subjects: Mapping[str, int]) -> Sequence[int]:
        attempts = [SignInAttempt(subject=subject) for subject in subjects]
        with system_session(self._engine) as session:
            session.execute(delete(SignInAttempt).where(SignInAttempt.at < func.clock_timestamp() - WINDOW))
            session.add_all(attempts)
            session.flush()
            return [attempt.attempt_id for attempt in attempts]

    def _wait(self, subject: str, limit: int) -> int:
        """Seconds until the subject may try again, 0 for now; the count includes this attempt."""
        recent = (
            select(SignInAttempt.at)
            .where(SignInAttempt.subject == subject, SignInAttempt.at > func.clock_timestamp() - WINDOW)
            .order_by(SignInAttempt.at.desc())
        )
        with system_session(self._engine) as session:
            # When the oldest of the `limit` newest others expires, one more attempt is allowed.
            oldest = session.scalar(recent.offset(limit))
            if oldest is None:
                return 0
            now = session.scalar(select(func.clock_timestamp())) or oldest
        return max(1, math.ceil((oldest + WINDOW - now).total_seconds()))

    def _strike_out(self, which: object) -> None:
        with system_session(self._engine) as session:
            session.execute(delete(SignInAttempt).where(which))  # type: ignore[arg-type]  # a column expression


def _account_of_device(account: str) -> str:
    # A separate hash, so that the token reveals nothing and stays valid after a rotation of the keys.
    return hashlib.sha256(f"echolead-device:{account}".encode()).hexdigest()
