"""The event contract as OpenAPI, generated from the structs that check it, so that the two cannot differ."""

from typing import Any

import msgspec

from echolead.events import MAX_BATCH_EVENTS, Event
from ingest_api.problems import (
    BODY_TOO_LARGE,
    INVALID_KEY,
    METHOD_NOT_ALLOWED,
    NOT_A_BATCH,
    OVERLOADED,
    QUEUE_UNAVAILABLE,
    SLOW_REQUEST,
    TENANTS_UNAVAILABLE,
    TOO_MANY_EVENTS,
    UNKNOWN_HOST,
    UNSUPPORTED_ENCODING,
    ProblemType,
)
from ingest_api.validation import REASONS

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


def problem_response(*kinds: ProblemType) -> dict[str, Any]:
    """The OpenAPI response of one status, with each of its problem types as an example."""
    return {
        "description": "; ".join(f"`{kind.name}`: {kind.title}" for kind in kinds),
        "headers": {"Retry-After": {"schema": {"type": "integer"}}} if kinds[0].retry_after_seconds else {},
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {
                    kind.name: {
                        "value": {
                            "type": f"/problems/{kind.name}",
                            "title": kind.title,
                            "status": kind.status,
                            "detail": kind.title + ".",
                        }
                    }
                    for kind in kinds
                },
            }
        },
    }


RESPONSES: dict[str, Any] = {
    "202": {
        "description": "Everything is on disk: the accepted events, and the rejected ones as dead letters",
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Accepted"},
                "examples": {
                    "all": {"value": {"accepted": 1, "rejected": []}},
                    "one": {
                        "value": {
                            "accepted": 1,
                            "rejected": [
                                {
                                    "index": 1,
                                    "event_id": "",
                                    "reason": "invalid_event",
                                    "detail": "Object missing required field `event_id`.",
                                }
                            ],
                        }
                    },
                },
            }
        },
    },
    "408": problem_response(SLOW_REQUEST),
    "413": problem_response(BODY_TOO_LARGE),
    "415": problem_response(UNSUPPORTED_ENCODING),
    "422": problem_response(NOT_A_BATCH, TOO_MANY_EVENTS),
    "503": problem_response(QUEUE_UNAVAILABLE, OVERLOADED, TENANTS_UNAVAILABLE),
}
BATCH_DOCUMENTATION: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": BATCH_CONTENT}},
    "responses": {**RESPONSES, "401": problem_response(INVALID_KEY)},
}


def describe_collector(document: dict[str, Any], collect_path: str) -> None:
    """Add what FastAPI does not route: the collect path, the script, and the schemas of the contract."""
    (_,), schemas = msgspec.json.schema_components([Event], ref_template=SCHEMA_REFERENCE)
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(
        schemas | {"Batch": BATCH_SCHEMA, "Accepted": ACCEPTED_SCHEMA, "Rejection": REJECTION_SCHEMA}
        | {"Problem": PROBLEM_SCHEMA}
    )  # fmt: skip
    components.setdefault("securitySchemes", {})["apiKey"] = {"type": "http", "scheme": "bearer"}
    document["paths"][collect_path] = {
        "post": {
            "tags": ["events"],
            "summary": "Store events sent by pages",
            "description": (
                "Finds the tenant by Host. The body is JSON whatever its content type: scripts send text/plain to skip "
                "the CORS preflight. It may be compressed with gzip. A bad event costs only itself. After 408 and 503 "
                "send the same request again; event ids make repeats harmless."
            ),
            "operationId": "collect",
            "requestBody": {
                "required": True,
                "content": {"application/json": BATCH_CONTENT, "text/plain": BATCH_CONTENT},
            },
            "responses": {
                **RESPONSES,
                "404": problem_response(UNKNOWN_HOST),
                "405": problem_response(METHOD_NOT_ALLOWED),
            },
        }
    }
    document["paths"][f"{collect_path}.gif"] = {
        "get": {
            "tags": ["events"],
            "summary": "Store a page view of a browser without scripts",
            "description": "The page is read from Referer or `url`. Every hit is a visitor of its own.",
            "operationId": "pixel",
            "parameters": [
                {"name": name, "in": "query", "schema": {"type": "string"}, "description": description}
                for name, description in (("url", "The page's address"), ("referrer", "The page's own referrer"))
            ],
            "responses": {
                "200": {"description": "A transparent GIF; the page view is on disk", "content": {"image/gif": {}}},
                "404": problem_response(UNKNOWN_HOST),
                "503": problem_response(QUEUE_UNAVAILABLE, TENANTS_UNAVAILABLE),
            },
        }
    }
    document["paths"][f"{collect_path}.js"] = {
        "get": {
            "tags": ["script"],
            "summary": "The tracking script",
            "operationId": "script",
            "responses": {
                "200": {"description": "JavaScript", "content": {"text/javascript": {"schema": {"type": "string"}}}},
                "304": {"description": "The copy the client has is current"},
            },
        }
    }
