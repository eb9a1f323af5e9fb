"""The event contract as OpenAPI: its schemas are made from the structs that validate the events."""

from typing import Any

import msgspec

from echolead.events import MAX_BATCH_EVENTS, Event
from ingest_api.events.validation import REASONS
from ingest_api.http.problems import INVALID_KEY, NOT_A_BATCH, QUEUE_UNAVAILABLE, TENANTS_UNAVAILABLE, TOO_MANY_EVENTS
from ingest_api.openapi.problems import BODY_PROBLEMS, LIMIT_PROBLEMS, PAGE_PROBLEMS, preflight_of, problem_responses

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


def describe_events(document: dict[str, Any], collect_path: str) -> None:
    """Add the collect path and the pixel, which FastAPI does not route, and the schemas of the contract."""
    (_,), schemas = msgspec.json.schema_components([Event], ref_template=SCHEMA_REFERENCE)
    document["components"]["schemas"] |= {
        **schemas, "Batch": BATCH_SCHEMA, "Accepted": ACCEPTED_SCHEMA, "Rejection": REJECTION_SCHEMA,
    }  # fmt: skip
    document["components"].setdefault("securitySchemes", {})["apiKey"] = {
        "type": "http",
        "scheme": "bearer",
        "description": "A key made by `echolead key create`: `Authorization: Bearer elk_…`",
    }
    document["paths"] |= {
        collect_path: {"post": collect_operation(), "options": preflight_of("collect", "events")},
        f"{collect_path}.gif": {"get": pixel_operation()},
    }


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


def pixel_operation() -> dict[str, Any]:
    """`GET` on the collect path and `.gif`."""
    page = "https://lp.example.com/oferta?utm_source=news"
    return {
        "tags": ["events"],
        "summary": "Store a page view of a browser without scripts",
        "description": (
            "The page is the Referer, which must be a page of the tenant if it is sent, or `url`. Every hit is "
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
