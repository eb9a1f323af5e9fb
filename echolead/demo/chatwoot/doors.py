"""Access control: any page may use the widget, only agents everything else.

An agent sends an account's access token, as programs do, or the cookie that the sign-in page gave for it. The records
contain names and addresses of real people who try the demo.
"""

import hmac
import time
from hashlib import sha256
from ipaddress import ip_address

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from echolead.demo.chatwoot.pages import sign_in_page
from echolead.demo.chatwoot.records import Row
from echolead.demo.chatwoot.store import Store
from echolead.tenancy import host_name

WIDGET_PATHS = ("/api/v1/widget/", "/packs/")
COOKIE = "demo_chatwoot"
SESSION_SECONDS = 12 * 3600


class NameAndSessionGate:
    """Serves the widget to any page under any host name, and everything else only under names of this machine.

    The browser sends its widget token in a header, never in a cookie, so that other pages cannot use it. A page whose
    host name resolves to this machine (DNS rebinding) would have the demo's origin, so such names are refused.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._widget = CORSMiddleware(
            app,
            allow_origins=["*"],
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["content-type", "x-auth-token"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 421 to a foreign host name."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].startswith(WIDGET_PATHS):
            await self._widget(scope, receive, send)
        elif is_name_of_this_machine(Request(scope).headers.get("host", "")):
            await self._app(scope, receive, send)
        else:
            refusal = PlainTextResponse("Ask for localhost, or for an address of this machine.", 421)
            await refusal(scope, receive, send)


def is_name_of_this_machine(host_header: str) -> bool:
    """Whether the host is independent of DNS: `localhost`, a name below it, or an IP address."""
    host = host_name(host_header)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def agents_account(request: Request) -> Row | None:
    """The account of the request's agent, None without one. A cookie counts for reads and from the demo's own pages."""
    store: Store = request.app.state.store
    token = request.headers.get("api_access_token")
    if token is not None:
        return store.account_by_access_token(token)
    if request.method != "GET" and not is_of_our_page(request):
        return None
    return _signed_in(store, request.cookies.get(COOKIE, ""))


def is_of_our_page(request: Request) -> bool:
    """Whether the request is from a page of the same origin: pages of other ports send the cookies as well."""
    return request.headers.get("origin") == f"{request.url.scheme}://{request.headers.get('host')}"


def not_signed_in() -> Response:
    """The refusal of a program without a valid token."""
    return JSONResponse({"error": "Sign in, or send an account's api_access_token"}, 401)


async def sign_in(request: Request) -> Response:
    """`GET` and `POST /sign-in`: exchange an access token for a cookie. Only the page's own form is accepted."""
    if request.method == "GET":
        return sign_in_page()
    store: Store = request.app.state.store
    presented = str((await request.form()).get("token") or "").strip()
    account = store.account_by_access_token(presented) if is_of_our_page(request) else None
    if account is None:
        return sign_in_page(is_refused=True)
    answer = RedirectResponse("/app", 303)
    until = int(time.time()) + SESSION_SECONDS
    answer.set_cookie(COOKIE, session_of(account, until), max_age=SESSION_SECONDS, httponly=True, samesite="strict")
    return answer


async def sign_out(request: Request) -> Response:
    """`POST /sign-out`: remove the cookie."""
    if not is_of_our_page(request):
        return not_signed_in()
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def session_of(account: Row, until: int) -> str:
    """The cookie's value for the account's agent, valid until `until` (seconds since 1970)."""
    words = f"{account['account_id']}.{until}"
    return f"{words}.{_signature(account['api_access_token'], words)}"


def _signed_in(store: Store, cookie: str) -> Row | None:
    account_id, _, rest = cookie.partition(".")
    until = rest.partition(".")[0]
    if not (account_id.isascii() and account_id.isdigit() and until.isascii() and until.isdigit()):
        return None
    account = store.account(int(account_id))
    if account is None or int(until) < time.time():
        return None
    return account if hmac.compare_digest(session_of(account, int(until)).encode(), cookie.encode()) else None


def _signature(access_token: str, words: str) -> str:
    return hmac.new(access_token.encode(), f"session:{words}".encode(), sha256).hexdigest()
