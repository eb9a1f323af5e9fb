"""Sessions: sign in by JSON or by the page, who is signed in, sign out.

The token is a JWT that the console checks by itself (`echolead.security.SessionTokens`); the page keeps it in a cookie
that scripts cannot read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from echolead.operational.database import connect
from echolead.operational.sign_in import SignIn, TooManyAttempts
from echolead.security import SESSION_COOKIE, BadToken, SessionTokens, SignedIn
from echolead.settings import Settings
from ingest_api.addresses import TrustedProxies
from ingest_api.control import sign_in_page
from ingest_api.problems import NOT_SIGNED_IN, SIGN_IN_UNAVAILABLE, TOO_MANY_SIGN_INS, WRONG_PASSWORD, Problem

MAX_EMAIL = 320
MAX_PASSWORD = 1024
NO_NUL = r"^[^\x00]*$"  # PostgreSQL takes no text with U+0000, not even to look for it


class Credentials(BaseModel):
    """What a client signs in with."""

    email: str = Field(max_length=MAX_EMAIL, pattern=NO_NUL)
    password: SecretStr = Field(max_length=MAX_PASSWORD)


class User(BaseModel):
    """A signed-in user; `tenants` maps each tenant they may see to viewer, operator or admin."""

    user_id: str
    email: str
    name: str
    is_superuser: bool
    tenants: dict[str, str]


class Session(BaseModel):
    """A session token, for `Authorization: Bearer …`, and whose it is."""

    token: str
    token_type: str = "bearer"  # noqa: S105  # OAuth's name for how it is sent
    expires_in_seconds: int
    user: User


@dataclass(frozen=True)
class Sessions:
    """What the routes need: the users, the tokens, where the console is, and whose word about addresses is taken."""

    sign_in: SignIn
    tokens: SessionTokens
    proxies: TrustedProxies
    console_url: str

    @classmethod
    def of(cls, settings: Settings, proxies: TrustedProxies) -> "Sessions":
        """As the settings say. Raises `BadKey` when the key of session tokens is missing or short."""
        engine = connect(
            settings.postgres_api_url.get_secret_value(), pool_size=2, application_name="echolead-sessions"
        )
        tokens = SessionTokens.of(settings)
        return cls(SignIn(engine, settings.jwt_secret.get_secret_value()), tokens, proxies, settings.console_url)

    def authenticate(self, request: Request, email: str, password: str) -> SignedIn | None:
        """Who signs in with this request. Raises `TooManyAttempts`, `Problem`."""
        peer = request.client.host if request.client else ""
        address = self.proxies.client_ip(peer, request.headers.raw)
        with database():
            return self.sign_in.authenticate(email, password, address)

    def who(self, request: Request) -> SignedIn:
        """Whose session the request carries, as they are now. Raises `Problem`."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        token = bearer.strip() if scheme.lower() == "bearer" else request.cookies.get(SESSION_COOKIE, "")
        try:
            signed_in = self.tokens.read(token)
        except BadToken:
            present = None
        else:
            with database():
                present = self.sign_in.present(signed_in)
        if present is None:
            raise Problem(NOT_SIGNED_IN, "Sign in with POST /v1/login and send the token as Authorization: Bearer ….")
        return present

    def back(self, asked: str) -> str:
        """Where to go after signing in: an address of the console's, or the console itself for anything else."""
        wanted, console = urlsplit(asked), urlsplit(self.console_url)
        is_ours = (wanted.scheme, wanted.netloc) == (console.scheme, console.netloc)
        return asked if is_ours and "\\" not in asked and asked.isprintable() else self.console_url

    @property
    def console_origin(self) -> str:
        """Scheme, host and port of the console."""
        console = urlsplit(self.console_url)
        return f"{console.scheme}://{console.netloc}"


@contextmanager
def database() -> Iterator[None]:
    """Have a database that does not answer told as a problem that passes."""
    try:
        yield
    except (OperationalError, PoolTimeout) as error:
        raise Problem(SIGN_IN_UNAVAILABLE, "The operational database does not answer.") from error


def router(sessions: Sessions) -> APIRouter:
    """`POST /v1/login`, `GET /v1/me`, and the page: `/login`, `/logout`. Passwords are checked on worker threads."""
    routes = APIRouter(tags=["sessions"])

    @routes.post("/v1/login", summary="Sign in", response_model=Session)
    def sign_in(request: Request, credentials: Credentials) -> JSONResponse:
        """A session token for an e-mail and a password, good for 8 hours.

        401 for a wrong e-mail or password, without saying which; 429 after too many.
        """
        try:
            who = sessions.authenticate(request, credentials.email, credentials.password.get_secret_value())
        except TooManyAttempts as error:
            wait = error.retry_after_seconds
            raise Problem(replace(TOO_MANY_SIGN_INS, retry_after_seconds=wait), f"{error}") from None
        if who is None:
            raise Problem(WRONG_PASSWORD, "The e-mail or the password is not right.")
        session = Session(
            token=sessions.tokens.issue(who), expires_in_seconds=sessions.tokens.lifetime_seconds, user=_user(who)
        )
        return JSONResponse(session.model_dump(), headers={"Cache-Control": "no-store"})

    @routes.get("/v1/me", summary="Who is signed in", response_model=User)
    def me(request: Request) -> JSONResponse:
        """The user of the session token, with the roles they have now. 401 without a valid one."""
        return JSONResponse(_user(sessions.who(request)).model_dump(), headers={"Cache-Control": "no-store"})

    add_page(routes, sessions)
    return routes


def add_page(routes: APIRouter, sessions: Sessions) -> None:
    """The sign-in page of the console, which has no place of its own to set a cookie scripts cannot read."""
    page_headers = sign_in_page.headers(sessions.console_origin)

    @routes.get("/login", include_in_schema=False)
    def show(request: Request, next: str = "") -> HTMLResponse:
        words = sign_in_page.texts(request.headers.get("accept-language", ""))
        return HTMLResponse(sign_in_page.page(words, back=sessions.back(next)), headers=page_headers)

    @routes.post("/login", include_in_schema=False)
    def sign_in_by_page(
        request: Request,
        email: Annotated[str, Form(max_length=MAX_EMAIL, pattern=NO_NUL)],
        password: Annotated[str, Form(max_length=MAX_PASSWORD)],
        next: Annotated[str, Form()] = "",
    ) -> Response:
        if not _from_own_page(request):
            raise Problem(NOT_SIGNED_IN, "This form belongs to another site. Open /login and sign in there.")
        words = sign_in_page.texts(request.headers.get("accept-language", ""))
        back = sessions.back(next)
        problem, status, more = words.wrong, 401, {}
        try:
            who = sessions.authenticate(request, email, password)
        except TooManyAttempts as error:
            who = None
            minutes = -(-error.retry_after_seconds // 60)
            problem, status = words.too_many.format(minutes=minutes), 429
            more = {"Retry-After": str(error.retry_after_seconds)}
        if who is None:
            html = sign_in_page.page(words, back=back, email=email, problem=problem)
            return HTMLResponse(html, status_code=status, headers={**page_headers, **more})
        answer = RedirectResponse(back, status_code=303, headers={"Cache-Control": "no-store"})
        answer.set_cookie(
            value=sessions.tokens.issue(who), max_age=sessions.tokens.lifetime_seconds, **_cookie(sessions)
        )
        return answer

    @routes.get("/logout", include_in_schema=False)
    def sign_out(request: Request) -> RedirectResponse:
        answer = RedirectResponse("/login", status_code=303, headers={"Cache-Control": "no-store"})
        # A link or picture on somebody else's page must not end a session.
        if request.headers.get("sec-fetch-site", "none") != "cross-site":
            answer.delete_cookie(**_cookie(sessions))
        return answer


def _user(who: SignedIn) -> User:
    return User(
        user_id=str(who.user_id),
        email=who.email,
        name=who.name,
        is_superuser=who.is_superuser,
        tenants=dict(who.tenants),
    )


def _cookie(sessions: Sessions) -> dict[str, Any]:
    is_encrypted = sessions.console_url.startswith("https://")
    return {"key": SESSION_COOKIE, "path": "/", "httponly": True, "samesite": "lax", "secure": is_encrypted}


def _from_own_page(request: Request) -> bool:
    """Whether a form was sent by our own page: otherwise somebody could sign a visitor in to an account of theirs."""
    fetch_site = request.headers.get("sec-fetch-site")
    if fetch_site is not None:
        return fetch_site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
