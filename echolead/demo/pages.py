"""The demo landing pages: a fictional product for clinics, tracked by EchoLead and with a Chatwoot widget.

Pages, style and script are files in `tracking/demo`. This server inserts the addresses of the collector and of
Chatwoot, which follow the request's host, so that one server shows the pages of every tenant whose host leads to it.
"""

import argparse
import html
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from echolead.ports import Port

FILES = Path(__file__).parents[2] / "tracking" / "demo"
ASSETS = ("site.css", "site.js", "icon.svg")
PAGES = {"/": "index.html", "/precos": "precos.html", "/obrigado": "obrigado.html"}
DEFAULT_BASE = 8700
DEMO_WEBSITE_TOKEN = "demo-website-token-1"  # noqa: S105  # public: Chatwoot shows it to every visitor


def create_app(
    *,
    collector_url: str = "",
    chatwoot_url: str | None = "",
    website_token: str = DEMO_WEBSITE_TOKEN,
    collector_port: int = Port.COLLECTOR.of(DEFAULT_BASE),
    chatwoot_port: int = Port.DEMO_CHATWOOT.of(DEFAULT_BASE),
) -> Starlette:
    """The landing pages as an ASGI application.

    An empty `collector_url` or `chatwoot_url` means the scheme and host of the request with the port given beside it;
    `chatwoot_url=None` leaves the chat out.
    """

    def page(name: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            words = {
                "collector_url": collector_url or _beside(request, collector_port),
                "chatwoot_url": "" if chatwoot_url is None else chatwoot_url or _beside(request, chatwoot_port),
                "website_token": website_token,
            }
            return HTMLResponse(_render(name, words), headers={"Cache-Control": "no-store"})

        return answer

    return Starlette(
        routes=[
            *(Route(path, page(name)) for path, name in PAGES.items()),
            *(Route(f"/{name}", _asset(name)) for name in ASSETS),
            Route("/contato", _thank, methods=["POST"]),
        ]
    )


def _beside(request: Request, port: int) -> str:
    return f"{request.url.scheme}://{request.url.hostname}:{port}"


def _render(name: str, words: dict[str, str]) -> str:
    """The page in its layout; its first line is its title. Read at each request: they are edited while served."""
    title, main = re.fullmatch(r"<title>(.*?)</title>\n(.*)", (FILES / name).read_text("utf-8"), re.DOTALL).groups()  # type: ignore[union-attr]
    text = (FILES / "layout.html").read_text("utf-8")
    for word, value in words.items():
        text = text.replace("{{%s}}" % word, html.escape(value))  # noqa: UP031  # an f-string would need six braces
    return text.replace("{{title}}", title).replace("{{main}}", main)


def _asset(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        return FileResponse(FILES / name)

    return answer


async def _thank(_: Request) -> Response:
    """The tracking script sends the form's content to EchoLead; the site itself stores none of it."""
    return RedirectResponse("/obrigado", status_code=303)


def main() -> None:
    """Serve the demo landing pages until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m echolead.demo.pages", description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--collector-url", default="", help="default: the host of the page, with --collector-port")
    parser.add_argument("--collector-port", type=int, help="default: of the stack that --port belongs to")
    parser.add_argument("--chatwoot-url", default="", help="default: the host of the page, with the stack's port")
    parser.add_argument("--website-token", default=DEMO_WEBSITE_TOKEN)
    arguments = parser.parse_args()
    base = arguments.port - Port.DEMO_PAGES
    app = create_app(
        collector_url=arguments.collector_url,
        chatwoot_url=arguments.chatwoot_url,
        website_token=arguments.website_token,
        collector_port=arguments.collector_port or Port.COLLECTOR.of(base),
        chatwoot_port=Port.DEMO_CHATWOOT.of(base),
    )
    uvicorn.run(app, host=arguments.host, port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
