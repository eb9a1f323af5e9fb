"""The page that describes the API is complete and loads nothing from other hosts."""

import re

import httpx

from ingest_api.openapi.page import document_html
from tests.integration.ingest_api.conftest import CollectorProcess

HOSTILE = "<script>alert(1)</script>\"'"


def test_the_page_names_every_operation_and_loads_nothing(collector: CollectorProcess) -> None:
    """Control: the document that programs read names the same."""
    answer = httpx.get(f"{collector.url}/docs", trust_env=False)
    document = httpx.get(f"{collector.url}/openapi.json", trust_env=False).json()
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert re.findall(r"<(?:script|link|img|iframe)|<[^>]*\b(?:src|style|on\w+)=", answer.text) == []
    named = set(re.findall(r"<summary><code>([A-Z]+ [^<]+)</code>", answer.text))
    assert named == {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}


def test_the_description_page_escapes_every_text() -> None:
    operation = {
        "summary": HOSTILE,
        "description": HOSTILE,
        "parameters": [{"name": HOSTILE, "in": HOSTILE, "description": HOSTILE}],
        "requestBody": {"content": {HOSTILE: {"example": HOSTILE}}},
        "responses": {HOSTILE: {"description": HOSTILE}},
    }
    html = document_html({
        "openapi": HOSTILE,
        "info": {"title": HOSTILE},
        "paths": {HOSTILE: {HOSTILE: operation}},
        "components": {"schemas": {HOSTILE: {"title": HOSTILE}}},
    })  # fmt: skip
    assert "<script" not in html.lower()
    assert "\"'" not in html
    assert html.count("&lt;script&gt;") > 10
