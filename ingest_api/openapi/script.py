"""The script and the visitor's id as OpenAPI: the requests of the tracking script besides events."""

from typing import Any

from ingest_api.http.problems import NOT_AN_IDENTITY, NOT_FOUND, TOO_MANY_EVENTS_A_MINUTE
from ingest_api.openapi.events import EXAMPLE_EVENT
from ingest_api.openapi.problems import BODY_PROBLEMS, PAGE_PROBLEMS, preflight_of, problem_responses

TRACKING_ID = EXAMPLE_EVENT["tracking_id"]
QUESTION_SCHEMA = {
    "type": "object",
    "anyOf": [
        {"required": ["tracking_id"]},
        {"required": ["forget"], "properties": {"forget": {"const": True}}},
    ],
    "properties": {
        "tracking_id": {"type": ["string", "null"], "format": "uuid", "description": "The id the script has"},
        "link": {"type": "string", "description": "The token of the link that was followed, if any"},
        "reset": {
            "type": "boolean",
            "description": "The id belongs to a new visitor and replaces the one in the cookie",
        },
        "forget": {
            "type": "boolean",
            "description": "The visitor refused consent: the cookie is removed, and the answer is empty",
        },
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
            "description": "For Chatwoot's widget, if the tenant has its token and the collector made the id",
        },
    },
}
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


def describe_script(document: dict[str, Any], collect_path: str) -> None:
    """Add the script and the visitor's id, which FastAPI does not route."""
    document["components"]["schemas"] |= {"Question": QUESTION_SCHEMA, "Visitor": VISITOR_SCHEMA}
    document["paths"] |= {
        f"{collect_path}/i": {"post": visitor_operation(), "options": preflight_of("visitor", "script")},
        f"{collect_path}.js": {"get": script_operation("script"), "head": script_operation("script_head")},
    }


def visitor_operation() -> dict[str, Any]:
    """`POST` on the collect path and `/i`."""
    answer = {"tracking_id": TRACKING_ID, "link": "AZfBrg0RfFWbDl99Cjwr", "expires_in": 120}
    return {
        "tags": ["script"],
        "summary": "The id of a page's visitor",
        "description": (
            "The id is taken from the cookie, else from the link's token, which is accepted once, else from the body. "
            "The cookie lasts 400 days and scripts cannot read it. The body is JSON whatever its content type."
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


def script_operation(operation_id: str) -> dict[str, Any]:
    """`GET` and `HEAD` on the collect path and `.js`."""
    tag = {"required": True, "schema": {"type": "string"}, "example": 'W/"9f86d081884c7d659a2feaa0c55ad015"'}
    return {
        "tags": ["script"],
        "summary": "The tracking script, with the settings of the host's tenant",
        "description": "As br, gzip or plain, with an ETag; `If-None-Match` is answered with 304.",
        "operationId": operation_id,
        "security": [],
        "responses": {
            "200": {
                "description": "JavaScript",
                "headers": {"ETag": tag},
                "content": {"text/javascript": {"schema": {"type": "string"}, "example": "(function () { … })();"}},
            },
            "304": {"description": "The client's copy is current", "headers": {"ETag": tag}},
            **problem_responses(NOT_FOUND),
        },
    }
