"""Sessions: sign in by JSON or by the page, who is signed in, sign out.

A session is a row of the operational database. Its token is a JWT that names the row; the page keeps it in a cookie
that scripts cannot read. Every request looks up the user of the session and their present roles.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.responses import JSONResponse, Response

from echolead.operational.database import connect
from echolead.operational.sign_in import Opened, SignIn, TooManyAttempts
from echolead.security import SESSION, SignedIn
from echolead.settings import Settings
from echolead.signed_in import DEVICE_COOKIE, SESSION_COOKIE, cookie_name, cookies_named
from ingest_api.control.identity_provider import IdentityProvider
from ingest_api.control.provider_flow import ProviderFlows
from ingest_api.http.addresses import TrustedProxies
from ingest_api.http.asgi import peer_of
from ingest_api.http.problems import NOT_SIGNED_IN, SIGN_IN_UNAVAILABLE, TOO_MANY_SIGN_INS, WRONG_PASSWORD, Problem
from ingest_api.http.rates import prefix

MAX_EMAIL = 320
MAX_PASSWORD = 1024
PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
NO_NUL = r"^[^\x00]*$"  # PostgreSQL refuses a text with U+0000, also in a comparison


class Credentials(BaseModel):
    """The body of a sign-in."""

    email: str = Field(max_length=MAX_EMAIL, pattern=NO_NUL)
    password: SecretStr = Field(max_length=MAX_PASSWORD)


class SignedInUser(BaseModel):
    """A signed-in user; `tenants` maps each tenant they may see to viewer, analyst, operator or admin.

    `installation_role` is the least of these where they may see every active tenant, null otherwise. `language` is the
    console's, '' before they choose one.
    """

    user_id: str
    email: str
    name: str
    is_superuser: bool
    tenants: dict[str, str]
    installation_role: str | None
    language: str


class OwnEdit(BaseModel):
    """What users change of their own account."""

    model_config = ConfigDict(extra="forbid")

    language: Literal["pt-BR", "en"]


class SessionToken(BaseModel):
    """A session token, for `Authorization: Bearer …`, and its user."""

    token: str
    token_type: str = "bearer"  # noqa: S105  # OAuth's name for how it is sent
    expires_in_seconds: int
    user: SignedInUser


@dataclass(frozen=True)
class ConsoleSessions:
    """What the routes need: users and sessions, addresses of console and Dagster, trusted proxies, identity provider.

    The page's routes are in `ingest_api.control.page`, those of the provider in `ingest_api.control.provider_page`.
    """

    sign_in: SignIn
    proxies: TrustedProxies
    console_url: str
    dagster_url: str
    provider: IdentityProvider | None
    flows: ProviderFlows

    @classmethod
    def of(cls, settings: Settings, proxies: TrustedProxies) -> "ConsoleSessions":
        """As the settings say.

        Raises `BadKey` when the key of session tokens is missing or short, or the identity provider's client is.
        """
        engine = connect(
            settings.postgres_api_url.get_secret_value(), pool_size=2, application_name="echolead-sessions"
        )
        return cls(
            SignIn.of(settings, engine),
            proxies,
            settings.console_url,
            settings.dagster_url,
            IdentityProvider.of(settings),
            ProviderFlows(settings.jwt_secret.get_secret_value()),
        )

    async def close(self) -> None:
        """Close the connections to the database and to the identity provider."""
        self.sign_in.close()
        if self.provider is not None:
            await self.provider.close()

    def open(self, request: Request, email: str, password: str) -> Opened | None:
        """Sign in with this request; None for a wrong e-mail or password.

        Raises `TooManyAttempts`, `Problem`.
        """
        with database():
            return self.sign_in.sign_in(email, password, self.network(request), self.cookies(request, DEVICE_COOKIE))

    def network(self, request: Request) -> str:
        """The network of the request's client, for which attempts count."""
        return prefix(self.proxies.client_ip(peer_of(request.scope), request.headers.raw))

    def who(self, request: Request) -> SignedIn:
        """The user of the request's session with their present roles. Raises `Problem`."""
        tokens = self.tokens(request)
        if len(tokens) > 1:
            # A neighbouring host may have set one of them, so that the visitor uses its account.
            raise Problem(NOT_SIGNED_IN, "There are several session cookies. Remove this site's cookies and sign in.")
        with database():
            present = self.sign_in.present(tokens[0]) if tokens else None
        if present is None:
            raise Problem(NOT_SIGNED_IN, "Sign in with POST /v1/login and send the token as Authorization: Bearer ….")
        return present

    def sign_out(self, request: Request) -> None:
        """End the request's session; no copy of its token is valid any more. Raises `Problem`."""
        with database():
            for token in self.tokens(request):
                self.sign_in.sign_out(token)

    def tokens(self, request: Request) -> list[str]:
        """The session tokens of a request: the bearer token, else those in all session cookies."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        return [bearer.strip()] if scheme.lower() == "bearer" else self.cookies(request, SESSION_COOKIE)

    def cookies(self, request: Request, plain: str) -> list[str]:
        """All values of one of our cookies."""
        return cookies_named(cookie_name(plain, self.console_url), request.headers.getlist("cookie"))

    def back(self, asked: str) -> str:
        """The address after signing in: `asked` if it is the console's or Dagster's, else the console's."""
        is_ours = _origin(asked) in self.origins
        return asked if is_ours and "\\" not in asked and asked.isprintable() else self.console_url

    @property
    def origins(self) -> list[str]:
        """The origins of the console and of Dagster."""
        return list(dict.fromkeys([_origin(self.console_url), _origin(self.dagster_url)]))


def _origin(url: str) -> str:
    """Scheme, host and port; empty if it is not an address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"


@contextmanager
def database() -> Iterator[None]:
    """Turn the errors of a database that does not answer into a `Problem` with 503."""
    try:
        yield
    except (OperationalError, PoolTimeout) as error:
        raise Problem(SIGN_IN_UNAVAILABLE, "The operational database does not answer.") from error


def router(sessions: ConsoleSessions) -> APIRouter:
    """`POST /v1/login`, `GET /v1/me`, `POST /v1/logout`. Passwords are checked on worker threads."""
    routes = APIRouter(tags=["sessions"])

    @routes.post("/v1/login", summary="Sign in", response_model=SessionToken)
    def sign_in(request: Request, credentials: Credentials) -> JSONResponse:
        """A session token for an e-mail and a password, good for 8 hours or until the session is ended.

        401 for a wrong e-mail or password, without saying which; 429 after too many.
        """
        try:
            opened = sessions.open(request, credentials.email, credentials.password.get_secret_value())
        except TooManyAttempts as error:
            wait = error.retry_after_seconds
            raise Problem(replace(TOO_MANY_SIGN_INS, retry_after_seconds=wait), f"{error}") from None
        if opened is None:
            admins = " Passwords of platform administrators alone are accepted here."
            said = admins if sessions.sign_in.passwords_of_admins_only else ""
            raise Problem(WRONG_PASSWORD, f"The e-mail or the password is not right.{said}")
        session = SessionToken(token=opened.token, expires_in_seconds=SESSION.lifetime_seconds, user=_user(opened.who))
        return JSONResponse(session.model_dump(), headers=PRIVATE)

    @routes.get("/v1/me", summary="Who is signed in", response_model=SignedInUser)
    def me(request: Request) -> JSONResponse:
        """The user of the session token, with the roles they have now. 401 without a valid one."""
        return JSONResponse(_user(sessions.who(request)).model_dump(), headers=PRIVATE)

    @routes.patch("/v1/me", summary="Change the own account", response_model=SignedInUser)
    def change_own(request: Request, body: OwnEdit) -> JSONResponse:
        """Remember the language in which the user reads the console. 401 without a valid session token."""
        if not request.headers.get("authorization"):  # a page of another site could send the cookie
            raise Problem(NOT_SIGNED_IN, "Send Authorization: Bearer … with the token of POST /v1/login.")
        who = sessions.who(request)
        with database():
            sessions.sign_in.set_language(who.user_id, body.language)
        return JSONResponse(_user(replace(who, language=body.language)).model_dump(), headers=PRIVATE)

    @routes.post("/v1/logout", summary="Sign out", status_code=204, response_class=Response)
    def sign_out(request: Request) -> Response:
        """End the session of the token, wherever it was copied to. 401 when it has ended already."""
        sessions.who(request)
        sessions.sign_out(request)
        return Response(status_code=204, headers=PRIVATE)

    return routes


def _user(who: SignedIn) -> SignedInUser:
    return SignedInUser(
        user_id=str(who.user_id),
        email=who.email,
        name=who.name,
        is_superuser=who.is_superuser,
        tenants=dict(who.tenants),
        installation_role=who.installation_role,
        language=who.language,
    )
