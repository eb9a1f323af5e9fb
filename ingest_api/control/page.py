"""The sign-in page of the console. The console itself cannot set a cookie that scripts cannot read."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from echolead.operational.sign_in import Opened, TooManyAttempts
from echolead.security import DEVICE, SESSION
from echolead.signed_in import DEVICE_COOKIE, SESSION_COOKIE, cookie_name
from ingest_api.control import sign_in_page
from ingest_api.control.sessions import MAX_EMAIL, MAX_PASSWORD, NO_NUL, ConsoleSessions


def router(sessions: ConsoleSessions) -> APIRouter:
    """`/login` and `/logout`, for people. Passwords are checked on worker threads."""
    routes = APIRouter()
    show_page = partial(sign_in_answer, sessions)

    @routes.get("/login", include_in_schema=False)
    def show(request: Request, next: str = "") -> HTMLResponse:
        return show_page(request, next)

    @routes.post("/login", include_in_schema=False)
    def sign_in(
        request: Request,
        email: Annotated[str, Form(max_length=MAX_EMAIL, pattern=NO_NUL)],
        password: Annotated[str, Form(max_length=MAX_PASSWORD)],
        next: Annotated[str, Form()] = "",
    ) -> Response:
        words = sign_in_page.texts(request.headers.get("accept-language", ""))
        if not is_from_own_page(request):
            return show_page(request, next, 403, problem=words.foreign_form)
        try:
            opened = sessions.open(request, email, password)
        except TooManyAttempts as error:
            problem = words.too_many.format(minutes=-(-error.retry_after_seconds // 60))
            more = {"Retry-After": str(error.retry_after_seconds)}
            return show_page(request, next, 429, more, email=email, problem=problem)
        if opened is None:
            return show_page(request, next, 401, email=email, problem=words.wrong)
        return with_cookies(RedirectResponse(sessions.back(next), status_code=303), opened, sessions.console_url)

    @routes.get("/logout", include_in_schema=False)
    def sign_out(request: Request) -> RedirectResponse:
        answer = RedirectResponse("/login", status_code=303, headers={"Cache-Control": "no-store"})
        # A link or image on another site must not end a session.
        if request.headers.get("sec-fetch-site", "none") != "cross-site":
            sessions.sign_out(request)
            answer.delete_cookie(**cookie_settings(SESSION_COOKIE, sessions.console_url))
        return answer

    return routes


def sign_in_answer(
    sessions: ConsoleSessions,
    request: Request,
    back: str,
    status: int = 200,
    more: Mapping[str, str] | None = None,
    **texts: str,
) -> HTMLResponse:
    """The sign-in page in the language of the request, with the ways to sign in that are set up."""
    words = sign_in_page.texts(request.headers.get("accept-language", ""))
    ways = sign_in_page.Ways(sessions.provider is not None, sessions.sign_in.passwords_of_admins_only)
    html = sign_in_page.sign_in_html(words, ways, back=sessions.back(back), **texts)
    headers = {**sign_in_page.headers(sessions.origins), **(more or {})}
    return HTMLResponse(html, status_code=status, headers=headers)


def with_cookies(answer: Response, opened: Opened, console_url: str) -> Response:
    """`answer` with the session's cookie, and the cookie that identifies the device at the next sign-in."""
    answer.headers["Cache-Control"] = "no-store"
    for plain, token, use in (
        (SESSION_COOKIE, opened.token, SESSION),
        (DEVICE_COOKIE, opened.device_token, DEVICE),
    ):
        answer.set_cookie(value=token, max_age=use.lifetime_seconds, **cookie_settings(plain, console_url))
    return answer


def is_from_own_page(request: Request) -> bool:
    """Whether the sign-in page sent the form: another site could sign a visitor in to a foreign account.

    Every browser sends Sec-Fetch-Site or Origin. A request with neither is not from the page.
    """
    fetch_site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if fetch_site is not None and fetch_site != "same-origin":
        return False
    if origin is not None:
        return urlsplit(origin).netloc == request.headers.get("host", "")
    return fetch_site is not None


def cookie_settings(plain: str, console_url: str) -> dict[str, Any]:
    """Name and attributes of a cookie of ours, for `set_cookie` and `delete_cookie`."""
    is_encrypted = console_url.startswith("https://")
    name = cookie_name(plain, console_url)
    return {"key": name, "path": "/", "httponly": True, "samesite": "lax", "secure": is_encrypted}
