"""The webhook route as OpenAPI: its address, what products send, and every problem it can answer."""

from typing import Any

from echolead.webhooks import ENDPOINT_PATTERN, SOURCES
from ingest_api.http.problems import (
    BODY_TOO_LARGE,
    INVALID_SIGNATURE,
    OVERLOADED,
    QUEUE_UNAVAILABLE,
    SLOW_REQUEST,
    STALE_WEBHOOK,
    TENANTS_UNAVAILABLE,
    UNKNOWN_WEBHOOK,
    WEBHOOKS_UNAVAILABLE,
)
from ingest_api.openapi.problems import problem_responses

EXAMPLES: dict[str, Any] = {
    "chatwoot": {
        "summary": "Chatwoot: a contact opens a conversation",
        "value": {"event": "conversation_created", "id": 42, "account": {"id": 1}, "status": "open"},
    },
    "hubspot": {
        "summary": "HubSpot: several changes in one request",
        "value": [{"eventId": 1, "subscriptionType": "contact.propertyChange", "objectId": 123, "attemptNumber": 0}],
    },
    "pipedrive": {
        "summary": "Pipedrive: a deal changes",
        "value": {"meta": {"action": "change", "entity": "deal", "entity_id": "7"}, "data": {}, "previous": {}},
    },
    "rdstation": {
        "summary": "RD Station: a deal is made",
        "value": {"event_name": "crm_deal_created", "document": {"id": "650878567482d9c0"}},
    },
    "standard": {
        "summary": "Standard Webhooks",
        "value": {"type": "contact.created", "timestamp": "2025-07-01T12:00:00Z", "data": {"id": "1f81eb52"}},
    },
}
SIGNATURE_HEADERS = {
    "X-Chatwoot-Signature": "chatwoot: `sha256=` and the HMAC of `{timestamp}.{body}` in hexadecimal",
    "X-Chatwoot-Timestamp": "chatwoot: Unix seconds",
    "X-Chatwoot-Delivery": "chatwoot: id of the delivery",
    "X-HubSpot-Signature-v3": "hubspot: HMAC of method, address, body and timestamp in base64",
    "X-HubSpot-Request-Timestamp": "hubspot: Unix milliseconds",
    "webhook-id": "standard: id of the delivery",
    "webhook-timestamp": "standard: Unix seconds",
    "webhook-signature": "standard: `v1,` and the HMAC of `{id}.{timestamp}.{body}` in base64; several after blanks",
}
PATH_PARAMETERS = [
    {"name": "source", "in": "path", "required": True, "schema": {"type": "string", "enum": list(SOURCES)}},
    {"name": "endpoint", "in": "path", "required": True, "schema": {"type": "string", "pattern": ENDPOINT_PATTERN}},
]
HEADER_PARAMETERS = [
    {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": description}
    for name, description in SIGNATURE_HEADERS.items()
]
WEBHOOK_DOCUMENTATION: dict[str, Any] = {
    "operationId": "receive_webhook",
    "parameters": PATH_PARAMETERS + HEADER_PARAMETERS,
    "security": [{"webhookPassword": []}, {"webhookToken": []}, {}],
    "requestBody": {"required": True, "content": {"application/json": {"schema": {}, "examples": EXAMPLES}}},
    "responses": {
        "200": {
            "description": "The request is on disk; its content is read later",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["status"],
                        "properties": {"status": {"type": "string", "enum": ["queued"]}},
                    },
                    "examples": {"queued": {"value": {"status": "queued"}}},
                }
            },
        },
        **problem_responses(
            INVALID_SIGNATURE,
            STALE_WEBHOOK,
            UNKNOWN_WEBHOOK,
            SLOW_REQUEST,
            BODY_TOO_LARGE,
            QUEUE_UNAVAILABLE,
            OVERLOADED,
            TENANTS_UNAVAILABLE,
            WEBHOOKS_UNAVAILABLE,
        ),
    },
}


def describe_webhooks(document: dict[str, Any]) -> None:
    """Add how senders without a signature authenticate."""
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["webhookPassword"] = {"type": "http", "scheme": "basic", "description": "pipedrive"}
    schemes["webhookToken"] = {"type": "apiKey", "in": "header", "name": "Authorization", "description": "rdstation"}
