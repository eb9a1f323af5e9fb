"""Problem documents and preflights as OpenAPI, as every description needs them."""

from typing import Any

from ingest_api.http.problems import (
    BODY_TOO_LARGE,
    METHOD_NOT_ALLOWED,
    ORIGIN_NOT_ALLOWED,
    OVERLOADED,
    QUOTA_REACHED,
    SLOW_REQUEST,
    TENANTS_UNAVAILABLE,
    TOO_MANY_EVENTS_A_MINUTE,
    UNKNOWN_HOST,
    UNSUPPORTED_ENCODING,
    ProblemType,
)

PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "examples": ["/problems/not-a-batch"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
BODY_PROBLEMS = (SLOW_REQUEST, BODY_TOO_LARGE, UNSUPPORTED_ENCODING, OVERLOADED, TENANTS_UNAVAILABLE)
LIMIT_PROBLEMS = (TOO_MANY_EVENTS_A_MINUTE, QUOTA_REACHED)
PAGE_PROBLEMS = (UNKNOWN_HOST, ORIGIN_NOT_ALLOWED)


def problem_responses(*kinds: ProblemType) -> dict[str, Any]:
    """The OpenAPI responses of these problem types, by status."""
    statuses = sorted({kind.status for kind in kinds})
    return {str(status): _problem_response([kind for kind in kinds if kind.status == status]) for status in statuses}


def _problem_response(kinds: list[ProblemType]) -> dict[str, Any]:
    """The response of one status, with each of its problem types as an example."""
    headers: dict[str, Any] = {}
    if kinds[0].status in (429, 503):
        headers["Retry-After"] = {
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
            "description": "Seconds after which to send the same request again",
            "example": 1,
        }
    if kinds[0].status == 405:
        headers["Allow"] = {"required": True, "schema": {"type": "string"}, "example": "POST"}
    examples = {
        kind.name: {
            "summary": kind.title,
            "value": {
                "type": f"/problems/{kind.name}",
                "title": kind.title,
                "status": kind.status,
                "detail": f"{kind.title}.",
            },
        }
        for kind in kinds
    }
    return {
        "description": "; ".join(f"`{kind.name}`: {kind.title}" for kind in kinds),
        "headers": headers,
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}
        },
    }


PREFLIGHT: dict[str, Any] = {
    "summary": "Whether a page may post here (CORS preflight)",
    "responses": {
        "204": {"description": "With the allowing headers if it may"},
        **problem_responses(UNKNOWN_HOST, TENANTS_UNAVAILABLE),
    },
}


def preflight_of(operation: str, tag: str) -> dict[str, Any]:
    """`OPTIONS` on a path that pages post to."""
    return {"tags": [tag], "operationId": f"{operation}_preflight", "security": [], **PREFLIGHT}


def correct_problems(document: dict[str, Any]) -> None:
    """Remove FastAPI's own form of 422, which no route answers, and add the 405 of other methods."""
    wrong = "#/components/schemas/HTTPValidationError"
    for path in document["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            content = responses.get("422", {}).get("content", {})
            if content.get("application/json", {}).get("schema", {}).get("$ref") == wrong:
                del responses["422"]
            responses |= problem_responses(METHOD_NOT_ALLOWED)
    document["components"].setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
