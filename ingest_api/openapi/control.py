"""The control API as OpenAPI: what its routes do not say themselves - who may, headers, and every problem."""

from typing import Any

from ingest_api.http.problems import (
    ALREADY_THERE,
    BODY_TOO_LARGE,
    CHANGE_REFUSED,
    CHANGED_MEANWHILE,
    CONTROL_UNAVAILABLE,
    FORBIDDEN,
    IDEMPOTENCY_KEY_REUSED,
    INVALID_REQUEST,
    NO_SUCH_OBJECT,
    NOT_SIGNED_IN,
    OVERLOADED,
    SIGN_IN_UNAVAILABLE,
    SLOW_REQUEST,
    UNSUPPORTED_ENCODING,
    VERSION_REQUIRED,
)
from ingest_api.openapi.examples import example_of
from ingest_api.openapi.problems import problem_responses

ALWAYS = (NOT_SIGNED_IN, FORBIDDEN, NO_SUCH_OBJECT, INVALID_REQUEST, CONTROL_UNAVAILABLE, SIGN_IN_UNAVAILABLE)
CHANGING = (ALREADY_THERE, CHANGE_REFUSED, SLOW_REQUEST, BODY_TOO_LARGE, UNSUPPORTED_ENCODING, OVERLOADED)
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "examples": ['"3"']},
    "description": "The ETag of what is edited, as the GET answered it",
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Any text of the sender's own: the same request with it is done once, and answered again for a day",
}
ETAG = {"schema": {"type": "string"}, "description": "The version, for If-Match of the next edit"}


def describe_control(document: dict[str, Any]) -> None:
    """Complete FastAPI's description of the operations of the control API."""
    schemas = document["components"]["schemas"]
    for path in document["paths"].values():
        operations = {method: each for method, each in path.items() if "x-operation" in each}
        for method, each in operations.items():
            _describe(method, each)
            for body in each.get("requestBody", {}).get("content", {}).values():
                body["example"] = example_of(body["schema"], schemas)


def _describe(method: str, described: dict[str, Any]) -> None:
    needed = described["x-least-role"]
    who = "a platform administrator" if needed == "platform" else f"the role {needed} in the tenant"
    described["description"] = f"{described.get('description', '').strip()}\n\nNeeds {who}."
    described["security"] = [{"sessionToken": []}]
    problems = [*ALWAYS]
    if method != "get":
        problems += CHANGING
    if method == "post":
        described.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
        problems.append(IDEMPOTENCY_KEY_REUSED)
    if described["x-needs-version"]:
        described.setdefault("parameters", []).append(IF_MATCH)
        problems += [VERSION_REQUIRED, CHANGED_MEANWHILE]
    if described["x-has-version"]:
        for status in described["responses"].keys() & {"200", "201", "204"}:
            described["responses"][status].setdefault("headers", {})["ETag"] = ETAG
    described["responses"] |= problem_responses(*problems)
