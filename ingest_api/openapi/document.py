"""The whole OpenAPI document: FastAPI's own, completed by one description per subject."""

from typing import Any

from fastapi import FastAPI

from ingest_api.openapi.control import describe_control
from ingest_api.openapi.events import describe_events
from ingest_api.openapi.problems import correct_problems
from ingest_api.openapi.script import describe_script
from ingest_api.openapi.sessions import describe_sessions
from ingest_api.openapi.webhooks import describe_webhooks

TAGS = [
    {"name": "events", "description": "Receive events of pages and servers"},
    {"name": "script", "description": "What pages load"},
    {"name": "webhooks", "description": "Webhooks of Chatwoot and the CRMs"},
    {"name": "sessions", "description": "Sign in, sign out, and the signed-in user"},
    {"name": "tenants", "description": "Tenants: settings, hosts, origins, API keys"},
    {"name": "users", "description": "Users of a tenant and their roles, and accounts"},
    {"name": "destinations", "description": "Products that leads are delivered to"},
    {"name": "rules", "description": "Rules over leads, in versions"},
    {"name": "hours", "description": "When a tenant is open"},
    {"name": "settings", "description": "Channels, rates, conversations and stages of deals"},
    {"name": "leads", "description": "Leads, and decisions about who is whom"},
    {"name": "deliveries", "description": "What was delivered and how, and delivering again"},
    {"name": "dead letters", "description": "What was refused, and sending it again"},
    {"name": "replays", "description": "Computing again, and what is left out"},
    {"name": "lake", "description": "What the lake has, and whether it is whole"},
    {"name": "tasks", "description": "What takes longer than a request, and what it found"},
    {"name": "audit", "description": "Who did what"},
    {"name": "health", "description": "Whether the process answers, and whether events would be stored"},
    {"name": "problems", "description": "What the type of a problem document means"},
]


def openapi_document(api: FastAPI, of_fastapi: Any, collect_path: str) -> dict[str, Any]:
    """The document, made at the first call; `of_fastapi` returns FastAPI's own."""
    if api.openapi_schema is None:
        document: dict[str, Any] = of_fastapi()
        document["tags"] = TAGS
        describe_events(document, collect_path)
        describe_script(document, collect_path)
        describe_webhooks(document)
        describe_sessions(document)
        describe_control(document)
        correct_problems(document)
        api.openapi_schema = document
    return api.openapi_schema
