"""The event contract as OpenAPI, generated from the structs that check it, so that the two cannot differ."""

from typing import Any

import msgspec

from echolead.events import MAX_BATCH_EVENTS, Event
from ingest_api.events.validation import REASONS
from ingest_api.http.problems import (
    BODY_TOO_LARGE,
    INVALID_KEY,
    METHOD_NOT_ALLOWED,
    NOT_A_BATCH,
    NOT_AN_IDENTITY,
    NOT_FOUND,
    ORIGIN_NOT_ALLOWED,
    OVERLOADED,
    QUEUE_UNAVAILABLE,
    QUOTA_REACHED,
    SLOW_REQUEST,
    TENANTS_UNAVAILABLE,
    TOO_MANY_EVENTS,
    TOO_MANY_EVENTS_A_MINUTE,
    UNKNOWN_HOST,
    UNSUPPORTED_ENCODING,
    ProblemType,
)

EXAMPLE_EVENT = {
    "event_id": "0197c1b2-6f80-7a31-8f4e-0c8a5be4d911",
    "name": "form_submit",
    "tracking_id": "0197c1ae-0d11-7c55-9b0e-5f7d0a3c2b10",
    "session_id": "0197c1ae-0d12-7e08-a1c4-3b9f6f0e7a55",
    "occurred_at": "2025-07-01T12:00:03.214-03:00",
    "page": {
        "url": "https://lp.example.com/oferta?utm_source=google&utm_medium=cpc&utm_campaign=lancamento&gclid=Abc_123",
        "title": "Oferta de lançamento",
        "referrer": "https://www.google.com/",
        "query": "utm_source=google&utm_medium=cpc&utm_campaign=lancamento&gclid=Abc_123",
    },
    "touch": {
        "first": {
            "at": "2025-07-01T11:58:40.000-03:00",
            "landing_url": "https://lp.example.com/oferta?utm_source=google&utm_medium=cpc&gclid=Abc_123",
            "referrer": "https://www.google.com/",
            "params": {"utm_source": "google", "utm_medium": "cpc", "gclid": "Abc_123"},
        }
    },
    "user": {"email": "Ana@Example.com", "phone": "(11) 98765-4321", "name": "Ana"},
    "consent": {"purposes": {"analytics": True, "marketing": True}, "basis": "consent"},
    "properties": {"form_id": "contato"},
}

SCHEMA_REFERENCE = "#/components/schemas/{name}"
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
REJECTION_SCHEMA = {
    "type": "object",
    "required": ["index", "event_id", "reason", "detail"],
    "properties": {
        "index": {"type": "integer", "description": "Place in the batch, from 0"},
        "event_id": {"type": "string", "description": "Empty when it could not be read"},
        "reason": {
            "type": "string",
            "enum": list(REASONS),
        },
        "detail": {"type": "string"},
    },
}
ACCEPTED_SCHEMA = {
    "type": "object",
    "required": ["accepted", "rejected"],
    "properties": {
        "accepted": {"type": "integer"},
        "rejected": {"type": "array", "items": {"$ref": "#/components/schemas/Rejection"}},
    },
}
BATCH_SCHEMA = {
    "type": "object",
    "required": ["events"],
    "properties": {
        "sent_at": {"type": "string", "format": "date-time", "description": "The client's clock as it sends"},
        "events": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_BATCH_EVENTS,
            "items": {"$ref": "#/components/schemas/Event"},
        },
    },
}

EXAMPLES = {
    "form": {
        "summary": "A visitor sends a form",
        "value": {"sent_at": "2025-07-01T12:00:03.300-03:00", "events": [EXAMPLE_EVENT]},
    }
}
BATCH_CONTENT = {"schema": {"$ref": "#/components/schemas/Batch"}, "examples": EXAMPLES}

QUESTION_SCHEMA = {
    "type": "object",
    "anyOf": [
        {"required": ["tracking_id"]},
        {"required": ["forget"], "properties": {"forget": {"const": True}}},
    ],
    "properties": {
        "tracking_id": {"type": ["string", "null"], "format": "uuid", "description": "The id the script has"},
        "link": {"type": "string", "description": "The token of the link that was followed, if any"},
        "reset": {"type": "boolean", "description": "The id is a new visitor's, whatever the cookie says"},
        "forget": {"type": "boolean", "description": "The visitor refused: the cookie goes, and the answer is empty"},
    },
}
VISITOR_SCHEMA = {
    "type": "object",
    "dependentRequired": {"tracking_id": ["link", "expires_in"]},
    "properties": {
        "tracking_id": {"type": "string", "format": "uuid", "description": "The visitor's id from now on"},
        "link": {"type": "string", "description": "A token for a link to another site of the tenant"},
        "expires_in": {"type": "integer", "description": "Seconds the token is valid"},
        "identifier_hash": {
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "description": "For Chatwoot's widget, where the tenant has its token and cookie or link proved the id",
        },
    },
}
TRACKING_ID = EXAMPLE_EVENT["tracking_id"]
QUESTION_CONTENT = {
    "schema": {"$ref": "#/components/schemas/Question"},
    "examples": {
        "again": {"summary": "A page asks who its visitor is", "value": {"tracking_id": TRACKING_ID}},
        "link": {
            "summary": "The visitor followed a link from another site of the tenant",
            "value": {"tracking_id": TRACKING_ID, "link": "AZfBrg0RfFWbDl99Cjwr"},
        },
    },
}
TAGS = [
    {"name": "events", "description": "Events in, from pages and from servers"},
    {"name": "script", "description": "What pages load"},
    {"name": "webhooks", "description": "What Chatwoot and the CRMs tell"},
    {"name": "sessions", "description": "Sign in, and who is signed in"},
    {"name": "health", "description": "Whether the process answers, and whether events would be stored"},
    {"name": "problems", "description": "What the type of a problem document means"},
]


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


BODY_PROBLEMS = (SLOW_REQUEST, BODY_TOO_LARGE, UNSUPPORTED_ENCODING, OVERLOADED, TENANTS_UNAVAILABLE)
LIMIT_PROBLEMS = (TOO_MANY_EVENTS_A_MINUTE, QUOTA_REACHED)
PAGE_PROBLEMS = (UNKNOWN_HOST, ORIGIN_NOT_ALLOWED)
BATCH_PROBLEMS = (*BODY_PROBLEMS, *LIMIT_PROBLEMS, NOT_A_BATCH, TOO_MANY_EVENTS, QUEUE_UNAVAILABLE)

REJECTED_EXAMPLE = {
    "index": 1,
    "event_id": "",
    "reason": "invalid_event",
    "detail": "Object missing required field `event_id`.",
}
ACCEPTED_RESPONSE: dict[str, Any] = {
    "202": {
        "description": "Everything is on disk: the accepted events, and the rejected ones as dead letters",
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Accepted"},
                "examples": {
                    "all": {"value": {"accepted": 1, "rejected": []}},
                    "one": {"value": {"accepted": 1, "rejected": [REJECTED_EXAMPLE]}},
                },
            }
        },
    }
}
BATCH_DOCUMENTATION: dict[str, Any] = {
    "operationId": "store_server_events",
    "requestBody": {"required": True, "content": {"application/json": BATCH_CONTENT}},
    "responses": {**ACCEPTED_RESPONSE, **problem_responses(*BATCH_PROBLEMS, INVALID_KEY)},
}
PREFLIGHT: dict[str, Any] = {
    "summary": "Whether a page may post here (CORS preflight)",
    "responses": {
        "204": {"description": "The allowing headers are there when it may"},
        **problem_responses(UNKNOWN_HOST, TENANTS_UNAVAILABLE),
    },
}


def describe_collector(document: dict[str, Any], collect_path: str) -> None:
    """Add what FastAPI does not route: the collect path and what hangs on it, and the schemas of the contract."""
    (_,), schemas = msgspec.json.schema_components([Event], ref_template=SCHEMA_REFERENCE)
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(
        {
            **schemas,
            "Batch": BATCH_SCHEMA,
            "Accepted": ACCEPTED_SCHEMA,
            "Rejection": REJECTION_SCHEMA,
            "Question": QUESTION_SCHEMA,
            "Visitor": VISITOR_SCHEMA,
            "Problem": PROBLEM_SCHEMA,
        }
    )
    components.setdefault("securitySchemes", {})["apiKey"] = {
        "type": "http",
        "scheme": "bearer",
        "description": "A key made by `echolead key create`: `Authorization: Bearer elk_…`",
    }
    document["tags"] = TAGS
    document["paths"] |= {
        collect_path: {"post": collect_operation(), "options": preflight_of("collect", "events")},
        f"{collect_path}/i": {"post": visitor_operation(), "options": preflight_of("visitor", "script")},
        f"{collect_path}.gif": {"get": pixel_operation()},
        f"{collect_path}.js": {"get": script_operation("script"), "head": script_operation("script_head")},
    }
    correct_problems(document)


def collect_operation() -> dict[str, Any]:
    """`POST` on the collect path."""
    return {
        "tags": ["events"],
        "summary": "Store events sent by pages",
        "description": (
            "Finds the tenant by Host. The body is JSON whatever its content type: scripts send text/plain to skip "
            "the CORS preflight. It may be compressed with gzip. A bad event costs only itself. After 408, 429 and 503 "
            "send the same request again; event ids make repeats harmless."
        ),
        "operationId": "collect",
        "security": [],
        "requestBody": {"required": True, "content": {"application/json": BATCH_CONTENT, "text/plain": BATCH_CONTENT}},
        "responses": {**ACCEPTED_RESPONSE, **problem_responses(*BATCH_PROBLEMS, *PAGE_PROBLEMS)},
    }


def visitor_operation() -> dict[str, Any]:
    """`POST` on the collect path and `/i`."""
    answer = {"tracking_id": TRACKING_ID, "link": "AZfBrg0RfFWbDl99Cjwr", "expires_in": 120}
    return {
        "tags": ["script"],
        "summary": "Who a page's visitor is",
        "description": (
            "By the cookie, else by the link that was followed, which is good once, else as the script says. "
            "The cookie it sets lasts 400 "
            "days and scripts cannot read it. The body is JSON whatever its content type."
        ),
        "operationId": "visitor",
        "security": [],
        "requestBody": {
            "required": True,
            "content": {"application/json": QUESTION_CONTENT, "text/plain": QUESTION_CONTENT},
        },
        "responses": {
            "200": {
                "description": "The visitor's id, and a token that hands the visitor over to another site",
                "headers": {"Set-Cookie": {"required": True, "schema": {"type": "string"}}},
                "content": {
                    "application/json": {
                        "schema": {"$ref": "#/components/schemas/Visitor"},
                        "examples": {"known": {"value": answer}},
                    }
                },
            },
            **problem_responses(*BODY_PROBLEMS, *PAGE_PROBLEMS, TOO_MANY_EVENTS_A_MINUTE, NOT_AN_IDENTITY),
        },
    }


def pixel_operation() -> dict[str, Any]:
    """`GET` on the collect path and `.gif`."""
    page = "https://lp.example.com/oferta?utm_source=news"
    return {
        "tags": ["events"],
        "summary": "Store a page view of a browser without scripts",
        "description": (
            "The page is read from Referer, which must be one of the tenant's when it is sent, or `url`. Every hit is "
            "a visitor of its own."
        ),
        "operationId": "pixel",
        "security": [],
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string"}, "description": description, "example": example}
            for name, description, example in (
                ("url", "The page's address", page),
                ("referrer", "The page's own referrer", "https://www.google.com/"),
            )
        ],
        "responses": {
            "200": {"description": "A transparent GIF; the page view is on disk", "content": {"image/gif": {}}},
            **problem_responses(*PAGE_PROBLEMS, *LIMIT_PROBLEMS, QUEUE_UNAVAILABLE, TENANTS_UNAVAILABLE),
        },
    }


def script_operation(operation_id: str) -> dict[str, Any]:
    """`GET` and `HEAD` on the collect path and `.js`."""
    tag = {"required": True, "schema": {"type": "string"}, "example": 'W/"9f86d081884c7d659a2feaa0c55ad015"'}
    return {
        "tags": ["script"],
        "summary": "The tracking script, with what the tenant of the host chose",
        "description": "As br, gzip or plain, with an ETag; `If-None-Match` is answered with 304.",
        "operationId": operation_id,
        "security": [],
        "responses": {
            "200": {
                "description": "JavaScript",
                "headers": {"ETag": tag},
                "content": {"text/javascript": {"schema": {"type": "string"}, "example": "(function () { … })();"}},
            },
            "304": {"description": "The copy the client has is current", "headers": {"ETag": tag}},
            **problem_responses(NOT_FOUND),
        },
    }


def preflight_of(operation: str, tag: str) -> dict[str, Any]:
    """`OPTIONS` on a path that pages post to."""
    return {"tags": [tag], "operationId": f"{operation}_preflight", "security": [], **PREFLIGHT}


def correct_problems(document: dict[str, Any]) -> None:
    """Take FastAPI's own form of 422, which nothing answers, out of every route, and add the 405 of other methods."""
    wrong = "#/components/schemas/HTTPValidationError"
    for path in document["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            content = responses.get("422", {}).get("content", {})
            if content.get("application/json", {}).get("schema", {}).get("$ref") == wrong:
                del responses["422"]
            responses |= problem_responses(METHOD_NOT_ALLOWED)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
