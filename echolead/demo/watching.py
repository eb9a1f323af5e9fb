"""The doors of a demo product for people: a page of what it holds, the same as JSON, and faults on request.

They ask for the name and password of the demo's account (HTTP Basic), which `credentials.json` in its data directory
holds, and answer under names of this machine only: the records have data of people who try the demo.
"""

import argparse
import base64
import hmac
import html
import json
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from echolead.demo.chatwoot.doors import is_name_of_this_machine
from echolead.demo.chatwoot.faults import Fault, Faults

State = Callable[[], Mapping[str, Sequence[Mapping[str, Any]]]]
"""The records of each kind; the values of a record are texts, numbers or lists of them."""
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:14px system-ui;margin:2rem}}table{{border-collapse:collapse;margin-bottom:2rem}}
td,th{{border:1px solid #ccc;padding:.3rem .5rem;text-align:left;vertical-align:top}}</style>
<h1>{title}</h1>{tables}</html>"""


@dataclass(frozen=True)
class DemoCredentials:
    """The account of a demo product: what a destination is given to deliver there."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)


def load_or_make_credentials(data_dir: Path) -> DemoCredentials:
    """The credentials in `credentials.json`, readable by their owner alone; made at the first start."""
    path = data_dir / "credentials.json"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        made = DemoCredentials(*(secrets.token_urlsafe(24) for _ in range(3)))
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(made), file)
    return DemoCredentials(**json.loads(path.read_text()))


def watching(title: str, credentials: DemoCredentials, state: State, faults: Faults) -> list[Route]:
    """`/` (the page), `/_demo/state`, `/_demo/faults` as the demo Chatwoot has them, and `/healthz` for all."""

    async def page(_request: Request) -> Response:
        tables = "".join(_table(kind, records) for kind, records in state().items())
        return HTMLResponse(PAGE.format(title=html.escape(title), tables=tables), headers={"Cache-Control": "no-store"})

    async def show(_request: Request) -> Response:
        return JSONResponse(dict(state()))

    async def change(request: Request) -> Response:
        body = await request.json()
        struck = dict(faults.struck)
        faults.replace([Fault(**each) for each in body.get("faults", [])], int(body.get("seed", 0)))
        return JSONResponse({"struck": struck})

    async def health(_request: Request) -> Response:
        return PlainTextResponse("ok")

    return [
        Route("/", _guarded(page, credentials)),
        Route("/_demo/state", _guarded(show, credentials)),
        Route("/_demo/faults", _guarded(change, credentials), methods=["PUT"]),
        Route("/healthz", health),
    ]


def serve(name: str, create_app: Callable[[DemoCredentials, Path], Starlette]) -> None:
    """Serve a demo product from the command line until interrupted.

    `create_app` gets its credentials and the directory that holds them.
    """
    description = f"Serve the demo {name} until interrupted; its records are in memory."
    parser = argparse.ArgumentParser(prog=f"python -m echolead.demo.{name}", description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True, help="holds credentials.json")
    arguments = parser.parse_args()
    app = create_app(load_or_make_credentials(arguments.data_dir), arguments.data_dir)
    uvicorn.run(app, host=arguments.host, port=arguments.port, log_level="warning")


def _guarded(
    inner: Callable[[Request], Awaitable[Response]], credentials: DemoCredentials
) -> Callable[[Request], Awaitable[Response]]:
    pair = f"{credentials.client_id}:{credentials.client_secret}".encode()
    expected = f"Basic {base64.b64encode(pair).decode()}".encode()

    async def endpoint(request: Request) -> Response:
        if not is_name_of_this_machine(request.headers.get("host", "")):
            return PlainTextResponse("Ask for localhost, or for an address of this machine.", 421)
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), expected):
            return PlainTextResponse("Sign in.", 401, headers={"WWW-Authenticate": 'Basic realm="demo"'})
        return await inner(request)

    return endpoint


def _table(kind: str, records: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for record in records for name in record))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(_shown(record.get(name)))}</td>" for name in columns) + "</tr>"
        for record in records
    )
    return f"<h2>{html.escape(kind)} ({len(records)})</h2><table><tr>{head}</tr>{rows}</table>"


def _shown(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
