"""One request to the control API: who sends it, whether their role allows it, and its transaction.

Each route names its operation (`operation("rules.apply")`); `Calling` looks it up in `echolead.permissions`. A request
is signed by `Authorization: Bearer …` alone, never by a cookie, so that no page can send one in a user's name.
"""

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Path, Request
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from echolead.operational.database import connect, system_session, tenant_session
from echolead.operational.models import TENANT_ID_PATTERN
from echolead.operational.user_tokens import holder_of
from echolead.permissions import PERMISSIONS, PLATFORM, may, within
from echolead.security import USER_TOKEN, SignedIn
from echolead.settings import Settings
from ingest_api.control.refusals import refusals
from ingest_api.control.sessions import ConsoleSessions
from ingest_api.control.strict import base_of, check_query, list_of, repeated_name
from ingest_api.http.problems import (
    CONTROL_UNAVAILABLE,
    FORBIDDEN,
    INVALID_REQUEST,
    NOT_SIGNED_IN,
    VERSION_REQUIRED,
    Problem,
)

OPERATION, ROLE, EDITS, VERSIONED = "x-operation", "x-least-role", "x-needs-version", "x-has-version"
"""What a route says in the OpenAPI document."""
TenantPath = Annotated[str, Path(pattern=TENANT_ID_PATTERN, examples=["acme"])]


class Control:
    """What operations need: sessions, settings, and connections as the API's role and as the tenants' role."""

    def __init__(self, settings: Settings, sessions: ConsoleSessions) -> None:
        self.settings = settings
        self.sessions = sessions
        self._installation = _engine(settings.postgres_api_url.get_secret_value())
        self._tenants = _engine(settings.postgres_app_url.get_secret_value())

    @contextmanager
    def tenant(self, tenant_id: str) -> Iterator[Session]:
        """One transaction that the database limits to the tenant. Raises `Problem`."""
        if self._tenants is None:
            raise Problem(CONTROL_UNAVAILABLE, "ECHOLEAD_POSTGRES_APP_URL is not set for the API.")
        with refusals(), tenant_session(self._tenants, tenant_id) as session:
            yield session

    @contextmanager
    def installation(self) -> Iterator[Session]:
        """One transaction across tenants, with the API's rights. Raises `Problem`."""
        if self._installation is None:
            raise Problem(CONTROL_UNAVAILABLE, "ECHOLEAD_POSTGRES_API_URL is not set for the API.")
        with refusals(), system_session(self._installation, reads_secrets=False) as session:
            yield session

    @contextmanager
    def people(self, tenant_id: str) -> Iterator[Session]:
        """One transaction on users and their roles in one tenant, to which the database limits it. Raises `Problem`."""
        if self._installation is None:
            raise Problem(CONTROL_UNAVAILABLE, "ECHOLEAD_POSTGRES_API_URL is not set for the API.")
        with refusals(), tenant_session(self._installation, tenant_id) as session:
            yield session

    def who(self, request: Request) -> tuple[SignedIn, frozenset[str] | None]:
        """The user of the request with their present roles, and the scopes of their token (None: a session).

        Raises `Problem`.
        """
        [bearer] = self.sessions.tokens(request) or [""]
        if not bearer.startswith(f"{USER_TOKEN}_"):
            return self.sessions.who(request), None
        with self.installation() as session:
            holder = holder_of(session, bearer)
        if holder is None:
            raise Problem(NOT_SIGNED_IN, "The token is not known, was revoked or has expired.")
        return holder.who, holder.scopes

    def hash_of(self, purpose: str, value: bytes) -> bytes:
        """HMAC of a value under the key of session tokens, so that the database holds none that can be guessed."""
        key = self.settings.jwt_secret.get_secret_value().encode()
        return hmac.digest(key, f"control:{purpose}:".encode() + value, "sha256")

    def close(self) -> None:
        """Close the connections."""
        for engine in (self._installation, self._tenants):
            if engine is not None:
                engine.dispose()


def _engine(url: str) -> Engine | None:
    return connect(url, pool_size=3, application_name="echolead-control") if url else None


@dataclass(frozen=True)
class Call:
    """A request that is allowed: its user, its operation, and its tenant ('': the installation)."""

    control: Control
    who: SignedIn
    operation: str
    tenant_id: str
    granted: frozenset[str] | None
    """The scopes of the request's token; None for a session."""
    base: str
    """The version that an edit is based on: the ETag of If-Match, without quotes."""
    idempotency_key: str | None
    fingerprint: bytes
    """SHA-256 of method, path, query and body."""
    list_mark: str
    """Of a list with its filters: cursors of another one are refused."""

    @property
    def actor(self) -> str:
        """The user, for the audit log."""
        return f"user:{self.who.email}"

    def may(self, operation: str) -> bool:
        """Whether this user with this token may also do another operation of the tenant."""
        is_granted = self.granted is None or within(self.granted, operation)
        return is_granted and may(self.who, operation, self.tenant_id)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """The transaction of the operation: its tenant's, else the installation's. Raises `Problem`."""
        opened = self.control.tenant(self.tenant_id) if self.tenant_id else self.control.installation()
        with opened as session:
            yield session


def operation(name: str, *, edits: bool = False, versioned: bool = False) -> dict[str, Any]:
    """What a route's decorator is given for an operation of `PERMISSIONS`; `edits`: it needs If-Match.

    `versioned`: it answers an ETag (operations that edit do).
    """
    needed = PERMISSIONS[name].role
    return {"openapi_extra": {OPERATION: name, ROLE: needed, EDITS: edits, VERSIONED: edits or versioned}}


@dataclass(frozen=True)
class SentBody:
    """What the checks need of a body: the fingerprint of the whole request, and a name that an object has twice."""

    fingerprint: bytes
    repeated: str


async def _sent(request: Request) -> SentBody:
    body = await request.body()
    head = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return SentBody(hashlib.sha256(head + body).digest(), repeated_name(body) if body else "")


def _call(request: Request, sent: Annotated[SentBody, Depends(_sent)], tenant_id: TenantPath) -> Call:
    """The request about a tenant, if its user may do what its route does. Raises `Problem`."""
    return _checked(request, sent, tenant_id)


def _call_of_installation(request: Request, sent: Annotated[SentBody, Depends(_sent)]) -> Call:
    """The request about no tenant, checked likewise. Raises `Problem`."""
    return _checked(request, sent, "")


def _checked(request: Request, sent: SentBody, tenant_id: str) -> Call:
    control: Control = request.app.state.control
    said = request.scope["route"].openapi_extra
    name: str = said[OPERATION]
    if not request.headers.get("authorization"):
        raise Problem(NOT_SIGNED_IN, "Send Authorization: Bearer … with the token of POST /v1/login.")
    who, granted = control.who(request)
    _check_may(who, granted, name, tenant_id)
    check_query(request)
    if sent.repeated:
        raise Problem(INVALID_REQUEST, f"body: an object has the name {sent.repeated[:100]!r} twice: send it once.")
    base = base_of(request)
    if said[EDITS] and not base:
        raise Problem(VERSION_REQUIRED, "Send If-Match with the ETag of what you edit, as the GET answered it.")
    return Call(
        control=control,
        who=who,
        operation=name,
        tenant_id=tenant_id,
        granted=granted,
        base=base,
        idempotency_key=request.headers.get("idempotency-key"),
        fingerprint=sent.fingerprint,
        list_mark=control.hash_of("list", list_of(request).encode()).hex()[:16],
    )


def _check_may(who: SignedIn, granted: frozenset[str] | None, name: str, tenant_id: str) -> None:
    """Raises `Problem` unless the user may do the operation, with the scopes of the token."""
    if granted is not None and not within(granted, name):
        raise Problem(
            FORBIDDEN, f"The token has the scopes {', '.join(sorted(granted))}: none of them includes {name}."
        )
    if not may(who, name, tenant_id):
        needed = PERMISSIONS[name].role
        role = "a platform administrator" if needed == PLATFORM else f"the role {needed} in the tenant {tenant_id}"
        raise Problem(FORBIDDEN, f"This needs {role}.")


Calling = Annotated[Call, Depends(_call)]
"""The checked request about the tenant of the address, as a route's first parameter."""
CallingInstallation = Annotated[Call, Depends(_call_of_installation)]
"""The checked request about the installation."""
