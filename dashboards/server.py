"""The console's server: Streamlit as an ASGI application, with headers against framing and injected scripts."""

import base64
import hashlib
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import streamlit
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.starlette import App

from dashboards.design import theme_settings
from dashboards.files import ROUTES

SCRIPT = Path(__file__).parent / "app.py"
PAGE = Path(streamlit.__file__).parent / "static" / "index.html"
INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
SERVED = frozenset({"/_stcore/health", "/_stcore/host-config", "/_stcore/stream"})
"""The Streamlit routes that pages need. The others expose metrics, accept uploads from anyone, serve files to anyone
who knows their address, let programs drive the app, or belong to Streamlit's own sign-in, which is not used."""
POLICY_VIOLATION = 1008  # RFC 6455, section 7.4.1
REFUSED = ("/_stcore/", "/media/", "/component/", "/auth/", "/oauth2callback")


def content_security_policy() -> str:
    """The Content-Security-Policy: pages may run their own files and the page's inline script, identified by its hash.

    Inline styles are allowed, because Streamlit's scripts write them at run time. Frames, plug-ins, forms and other
    hosts are forbidden.
    """
    hashes = [hashlib.sha256(script.encode()).digest() for script in INLINE_SCRIPT.findall(PAGE.read_text())]
    scripts = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'none'; object-src 'none'; frame-ancestors 'none'"
    )


class PageGuard:
    """ASGI middleware in front of Streamlit: serves only the routes that pages need and adds the security headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [
            (b"content-security-policy", content_security_policy().encode()),
            (b"x-frame-options", b"DENY"),  # for browsers that do not read frame-ancestors
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"same-origin"),  # a page's address contains a lead's id
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._guard(message)
            await send(message)

        if scope["type"] == "websocket" and not is_own_page(scope):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        elif scope["type"] in ("http", "websocket") and is_refused(scope["path"]):
            await PlainTextResponse("Not found", status_code=404)(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)

    def _guard(self, message: MutableMapping[str, Any]) -> None:
        ours = {name for name, _ in self._headers}
        kept = [(name, value) for name, value in message["headers"] if name.lower() not in ours]
        message["headers"] = [*kept, *self._headers]


def is_own_page(scope: Scope) -> bool:
    """Whether a page of the same host and port opens the WebSocket: browsers send the cookies from every page."""
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
    return len(hosts) == len(origins) == 1 and urlsplit(origins[0]).netloc == hosts[0]


def is_refused(path: str) -> bool:
    """Whether a path must get 404."""
    return path not in SERVED and path.startswith(REFUSED)


def settings_of_pages() -> dict[str, object]:
    """Streamlit's settings that are made of something else: the design, and where a table's file comes from."""
    return {"client.disableDataExport": True, **theme_settings()}


def application() -> App:
    """The console, for any ASGI server."""
    return App(SCRIPT, routes=ROUTES, middleware=[Middleware(PageGuard)])
