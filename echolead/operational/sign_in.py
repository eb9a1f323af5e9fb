"""Signing in, throttled per account and per address across all workers."""

import hmac
import math
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import Engine, delete, func, select

from echolead.operational.database import system_session
from echolead.operational.models import SignInAttempt, User
from echolead.operational.users import authenticate, signed_in
from echolead.security import SignedIn

WINDOW = timedelta(minutes=15)
ACCOUNT_LIMIT = 8
ADDRESS_LIMIT = 40  # an office shares one


class TooManyAttempts(Exception):
    """The account or the address has failed too often; `retry_after_seconds` until the oldest failure is forgotten."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"Too many attempts; try again in {retry_after_seconds} seconds.")
        self.retry_after_seconds = retry_after_seconds


class SignIn:
    """Checks e-mail and password against the users of the database.

    An attempt is written down before the password is looked at, so that a burst of parallel guesses is counted whole,
    and struck out when it succeeds. `key` hides accounts and addresses in that record.
    """

    def __init__(self, engine: Engine, key: str) -> None:
        self._engine = engine
        self._key = key.encode()

    def authenticate(self, email: str, password: str, address: str) -> SignedIn | None:
        """Who signs in, None for a wrong e-mail or password. Raises `TooManyAttempts`."""
        account, network = self._subject("account", email.strip().lower()), self._subject("address", _network(address))
        mine = self._write_down(account, network)
        wait = max(self._wait(account, ACCOUNT_LIMIT), self._wait(network, ADDRESS_LIMIT))
        if wait:
            # A refused attempt does not count: whoever keeps trying is let in again all the same.
            self._strike_out(SignInAttempt.attempt_id.in_(mine))
            raise TooManyAttempts(wait)
        with system_session(self._engine) as session:
            who = authenticate(session, email, password)
        if who is not None:
            self._strike_out((SignInAttempt.subject == account) | SignInAttempt.attempt_id.in_(mine))
        return who

    def present(self, who: SignedIn) -> SignedIn | None:
        """What is true of the user now, who signed in up to 8 hours ago; None when they are gone or locked out."""
        with system_session(self._engine) as session:
            user = session.get(User, who.user_id)
            return signed_in(session, user) if user is not None and user.is_active else None

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _subject(self, kind: str, value: str) -> str:
        return hmac.digest(self._key, f"sign-in:{kind}:{value}".encode(), "sha256").hex()

    def _write_down(self, *subjects: str) -> Sequence[int]:
        attempts = [SignInAttempt(subject=subject) for subject in subjects]
        with system_session(self._engine) as session:
            session.execute(delete(SignInAttempt).where(SignInAttempt.at < func.clock_timestamp() - WINDOW))
            session.add_all(attempts)
            session.flush()
            return [attempt.attempt_id for attempt in attempts]

    def _wait(self, subject: str, limit: int) -> int:
        """Seconds until the subject may try again, 0 for now; this attempt is in the count."""
        recent = (
            select(SignInAttempt.at)
            .where(SignInAttempt.subject == subject, SignInAttempt.at > func.clock_timestamp() - WINDOW)
            .order_by(SignInAttempt.at.desc())
        )
        with system_session(self._engine) as session:
            # When the oldest of the `limit` newest others is forgotten there is room for one more.
            oldest = session.scalar(recent.offset(limit))
            if oldest is None:
                return 0
            now = session.scalar(select(func.clock_timestamp())) or oldest
        return max(1, math.ceil((oldest + WINDOW - now).total_seconds()))

    def _strike_out(self, which: object) -> None:
        with system_session(self._engine) as session:
            session.execute(delete(SignInAttempt).where(which))  # type: ignore[arg-type]  # a column expression


def _network(address: str) -> str:
    """The address, or its /64 in IPv6, where a customer has that many."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, 64), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)
