"""Signing in with the company's identity provider: to the provider, and back with a session of the console."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from echolead.operational.identities import IdentityRefused
from echolead.operational.sign_in import Opened, TooManyAttempts
from echolead.security import PROVIDER_FLOW, BadToken
from ingest_api.control import sign_in_page
from ingest_api.control.identity_provider import CALLBACK, BadIdentity, IdentityProvider
from ingest_api.control.page import cookie_settings, sign_in_answer, with_cookies
from ingest_api.control.provider_answers import ProviderUnavailable
from ingest_api.control.provider_flow import ProviderFlow
from ingest_api.control.sessions import ConsoleSessions, database

FLOW_COOKIE = "echolead_provider_flow"
LEAVING = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
Said = Annotated[str, Query(max_length=4096)]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Returned:
    """What the provider sent the browser back with (RFC 6749, section 4.1.2; `iss`: RFC 9207)."""

    code: str
    state: str
    error: str
    iss: str | None


def router(sessions: ConsoleSessions) -> APIRouter:
    """`/login/oidc`, which leads to the provider, and where it leads back to. Without a provider there is neither."""
    routes = APIRouter()
    if sessions.provider is None:
        return routes
    provider = sessions.provider

    @routes.get("/login/oidc", include_in_schema=False)
    async def leave(request: Request, next: str = "") -> Response:
        flow = sessions.flows.begin(sessions.back(next), sessions.console_url)
        try:
            answer = RedirectResponse(await provider.sign_in_url(flow), status_code=303, headers=LEAVING)
        except ProviderUnavailable as error:
            return _refused(sessions, request, flow.back, error)
        cookie = cookie_settings(FLOW_COOKIE, sessions.console_url)
        answer.set_cookie(value=flow.token, max_age=PROVIDER_FLOW.lifetime_seconds, **cookie)
        return answer

    @routes.get(CALLBACK, include_in_schema=False)
    async def come_back(
        request: Request, code: Said = "", state: Said = "", error: Said = "", iss: Said | None = None
    ) -> Response:
        answer = await _returned(sessions, provider, request, Returned(code, state, error, iss))
        answer.delete_cookie(**cookie_settings(FLOW_COOKIE, sessions.console_url))
        return answer

    return routes


async def _returned(
    sessions: ConsoleSessions, provider: IdentityProvider, request: Request, returned: Returned
) -> Response:
    """The console with a session, or the sign-in page with what went wrong and what to do."""
    words = sign_in_page.texts(request.headers.get("accept-language", ""))
    flow = _flow_of(sessions, request, returned.state)
    if flow is None:
        return sign_in_answer(sessions, request, "", 400, problem=words.begin_again)
    try:
        if returned.error or not returned.code:
            log.warning("sign-in with the identity provider: it answered %r", returned.error[:100])
            await asyncio.to_thread(_count, sessions, request)
            await _note(sessions, provider, "denied_by_provider", returned.error)
            return sign_in_answer(sessions, request, flow.back, 401, problem=words.cancelled)
        opened = await _open(sessions, provider, request, returned, flow)
    except (TooManyAttempts, ProviderUnavailable, BadIdentity, IdentityRefused) as error:
        return _refused(sessions, request, flow.back, error)
    answer = RedirectResponse(sessions.back(flow.back), status_code=303, headers=LEAVING)
    return with_cookies(answer, opened, sessions.console_url)


async def _open(
    sessions: ConsoleSessions, provider: IdentityProvider, request: Request, returned: Returned, flow: ProviderFlow
) -> Opened:
    """A session for who came back. The database is asked on worker threads, the provider in the event loop."""

    def take_back() -> None:
        with database():
            sessions.sign_in.take_back(counted)

    counted = await asyncio.to_thread(_count, sessions, request)
    try:
        identity = await provider.identity(returned.code, returned.iss, flow)
    except ProviderUnavailable:  # which is nobody's guess
        await asyncio.to_thread(take_back)
        raise
    except BadIdentity as error:
        await _note(sessions, provider, "not_proven", str(error))
        raise

    def sign_in() -> Opened:
        with database():
            return sessions.sign_in.sign_in_identity(identity, counted)

    return await asyncio.to_thread(sign_in)


def _count(sessions: ConsoleSessions, request: Request) -> list[int]:
    """Count that someone of the request's network came back. Raises `TooManyAttempts`, `Problem`."""
    with database():
        return list(sessions.sign_in.count_return(sessions.network(request)))


async def _note(sessions: ConsoleSessions, provider: IdentityProvider, reason: str, said: str) -> None:
    """Write a sign-in that was denied to the audit log."""

    def note() -> None:
        with database():
            sessions.sign_in.note_denial(provider.issuer, reason, said)

    await asyncio.to_thread(note)


def _flow_of(sessions: ConsoleSessions, request: Request, state: str) -> ProviderFlow | None:
    """The flow that this browser began and the provider answers, None if it is another's or has expired."""
    tokens = sessions.cookies(request, FLOW_COOKIE)
    if len(tokens) != 1:
        return None
    try:
        flow = sessions.flows.resume(tokens[0])
    except BadToken:
        return None
    return flow if flow.has_state(state) else None


def _refused(sessions: ConsoleSessions, request: Request, back: str, error: Exception) -> Response:
    """The sign-in page with why nobody was signed in; what only an operator can use goes to the log."""
    words = sign_in_page.texts(request.headers.get("accept-language", ""))
    more = {}
    if isinstance(error, TooManyAttempts):
        status, problem = 429, words.too_many.format(minutes=-(-error.retry_after_seconds // 60))
        more = {"Retry-After": str(error.retry_after_seconds)}
    elif isinstance(error, IdentityRefused):
        status, problem = 403, words.refused[error.reason].format(email=error.identity.email or error.identity.subject)
    elif isinstance(error, BadIdentity):
        log.warning("sign-in with the identity provider: %s", error)
        status, problem = 401, words.not_proven
    else:
        log.error("the identity provider cannot be used: %s", error)
        status, problem, more = 503, words.provider_down, {"Retry-After": "60"}
    return sign_in_answer(sessions, request, back, status, more, problem=problem)
