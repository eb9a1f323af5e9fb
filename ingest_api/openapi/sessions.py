"""The sessions as OpenAPI: examples, every problem they can answer, and how a session is sent."""

from typing import Any

from echolead.signed_in import SESSION_COOKIE
from ingest_api.http.problems import (
    BODY_TOO_LARGE,
    INVALID_REQUEST,
    NOT_SIGNED_IN,
    OVERLOADED,
    SIGN_IN_UNAVAILABLE,
    SLOW_REQUEST,
    TOO_MANY_SIGN_INS,
    UNSUPPORTED_ENCODING,
    WRONG_PASSWORD,
)
from ingest_api.openapi.problems import problem_responses

CREDENTIALS = {"email": "ana@acme.example", "password": "correct horse battery staple"}
USER = {
    "user_id": "0197c1ae-0d11-4c55-9b0e-5f7d0a3c2b10",
    "email": "ana@acme.example",
    "name": "Ana",
    "is_superuser": False,
    "tenants": {"acme": "operator"},
    "installation_role": "operator",
    "language": "pt-BR",
}
SESSION = {"token": "eyJhbGciOi…", "token_type": "bearer", "expires_in_seconds": 28_800, "user": USER}


def describe_sessions(document: dict[str, Any]) -> None:
    """Complete FastAPI's description of the sessions' routes."""
    sign_in, me = document["paths"]["/v1/login"]["post"], document["paths"]["/v1/me"]["get"]
    sign_out = document["paths"]["/v1/logout"]["post"]
    sign_in["security"] = []
    sign_in["requestBody"]["content"]["application/json"]["example"] = CREDENTIALS
    sign_in["responses"]["200"]["content"]["application/json"]["example"] = SESSION
    sign_in["responses"] |= problem_responses(
        WRONG_PASSWORD, INVALID_REQUEST, TOO_MANY_SIGN_INS, SIGN_IN_UNAVAILABLE,
        SLOW_REQUEST, BODY_TOO_LARGE, UNSUPPORTED_ENCODING, OVERLOADED,
    )  # fmt: skip
    for guarded in (me, sign_out):
        guarded["security"] = [{"sessionToken": []}, {"sessionCookie": []}]
    me["responses"]["200"]["content"]["application/json"]["example"] = USER
    me["responses"] |= problem_responses(NOT_SIGNED_IN, SIGN_IN_UNAVAILABLE)
    with_a_body = (SLOW_REQUEST, BODY_TOO_LARGE, UNSUPPORTED_ENCODING, OVERLOADED)
    sign_out["responses"] |= problem_responses(NOT_SIGNED_IN, SIGN_IN_UNAVAILABLE, *with_a_body)
    edit = document["paths"]["/v1/me"]["patch"]
    edit["security"] = [{"sessionToken": []}]
    edit["requestBody"]["content"]["application/json"]["example"] = {"language": "pt-BR"}
    edit["responses"]["200"]["content"]["application/json"]["example"] = USER
    edit["responses"] |= problem_responses(NOT_SIGNED_IN, INVALID_REQUEST, SIGN_IN_UNAVAILABLE, *with_a_body)
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["sessionToken"] = {"type": "http", "scheme": "bearer", "description": "The token of `POST /v1/login`"}
    schemes["sessionCookie"] = {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": f"`__Host-{SESSION_COOKIE}` where the console is served over https",
    }
