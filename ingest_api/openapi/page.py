"""`/docs`: the OpenAPI document as a page. It has no script and loads nothing from other hosts."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

from fastapi import APIRouter
from starlette.responses import HTMLResponse

STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:52rem;margin:2rem auto;padding:0 1rem}
details{border:1px solid #8888;border-radius:.5rem;margin:.5rem 0;padding:.5rem .75rem}
summary{cursor:pointer}
p{white-space:pre-line}
dt{font-weight:600}
pre{overflow-x:auto;background:#8882;border-radius:.5rem;padding:.75rem}
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def router(document: Callable[[], dict[str, Any]]) -> APIRouter:
    """The page of what `document` returns, an OpenAPI document."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/docs")
    async def docs() -> HTMLResponse:
        """Every operation with its parameters, bodies and answers, and the schemas."""
        return HTMLResponse(document_html(document()), headers=HEADERS)

    return routes


def document_html(document: dict[str, Any]) -> str:
    """The page's HTML; everything from the document is escaped."""
    title = escape(document["info"]["title"])
    operations = (
        operation(f"{method.upper()} {path}", described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    )
    schemas = (
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>{as_json(schema)}</details>'
        for name, schema in document["components"]["schemas"].items()
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{title}</h1>
<p>The same for programs: <a href="/openapi.json">/openapi.json</a> (OpenAPI {escape(document["openapi"])}).</p>
<h2>Operations</h2>
{"".join(operations)}
<h2>Schemas</h2>
{"".join(schemas)}
</body>
</html>
"""


def operation(name: str, described: dict[str, Any]) -> str:
    """One operation, closed until it is opened."""
    parts = [f"<details><summary><code>{escape(name)}</code> {escape(described['summary'])}</summary>"]
    parts.append(f"<p>{escape(described.get('description', ''))}</p>")
    parts += listing(
        "Parameters",
        ((f"{each['name']} ({each['in']})", each.get("description", "")) for each in described.get("parameters", ())),
    )
    for kind, content in described.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<h3>Body, {escape(kind)}</h3>{as_json(content)}")
    parts += listing("Answers", ((code, answer["description"]) for code, answer in described["responses"].items()))
    return "".join([*parts, "</details>"])


def listing(title: str, rows: Iterator[tuple[str, str]]) -> Iterator[str]:
    """A heading and its rows; nothing without rows."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in rows)
    if items:
        yield f"<h3>{title}</h3><dl>{items}</dl>"


def as_json(value: object) -> str:
    """A part of the document as JSON."""
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"
