"""What the collect route sends back, prepared once: headers for each tenant and origin, bodies for each count."""

from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any

from echolead.events import encode
from echolead.tenancy import Tenant
from ingest_api.events.validation import Rejection
from ingest_api.http.problems import PROBLEM_JSON, Problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]

NOSNIFF = (b"x-content-type-options", b"nosniff")
VARY_ORIGIN = (b"vary", b"Origin")
NO_STORE = (b"cache-control", b"no-store")
PREFLIGHT_SECONDS = 7200  # Chromium's own limit


@lru_cache(maxsize=4096)
def is_allowed(tenant: Tenant | None, origin: bytes | None) -> bool:
    """Whether pages of `origin` are the tenant's."""
    return tenant is not None and origin is not None and tenant.allows(origin.decode("latin-1"))


@lru_cache(maxsize=4096)
def cors_headers(tenant: Tenant | None, origin: bytes | None) -> tuple[tuple[bytes, bytes], ...]:
    """`Vary` always, the origin only when the tenant allows it; credentials never."""
    if origin is None or not is_allowed(tenant, origin):
        return (VARY_ORIGIN,)
    # The script reads Retry-After, which a page of another origin sees only when it is named here.
    return (VARY_ORIGIN, (b"access-control-allow-origin", origin), (b"access-control-expose-headers", b"retry-after"))


@lru_cache(maxsize=4096)
def accepted_start(tenant: Tenant, origin: bytes | None, length: int) -> Message:
    """The head of a 202."""
    return {
        "type": "http.response.start",
        "status": 202,
        "headers": [
            (b"content-type", b"application/json"),
            (b"content-length", str(length).encode()),
            NOSNIFF,
            *cors_headers(tenant, origin),
        ],
    }


def accepted_whole(tenant: Tenant, origin: bytes | None, accepted: int, rejected: list[Rejection]) -> bytes:
    """A 202 from its header lines on."""
    if not rejected:
        return all_accepted_whole(tenant, origin, accepted)
    body = accepted_body(accepted, rejected)
    return whole(accepted_start(tenant, origin, len(body))["headers"], body)


@lru_cache(maxsize=4096)
def all_accepted_whole(tenant: Tenant, origin: bytes | None, count: int) -> bytes:
    """The same for a batch without a bad event."""
    body = all_accepted_body(count)
    return whole(accepted_start(tenant, origin, len(body))["headers"], body)


@lru_cache(maxsize=512)
def all_accepted_body(count: int) -> bytes:
    """The body of a 202 for a batch without a bad event."""
    return encode({"accepted": count, "rejected": []})


def accepted_body(accepted: int, rejected: list[Rejection]) -> bytes:
    """The body of a 202: how many events are stored, and which were put aside and why."""
    if not rejected:
        return all_accepted_body(accepted)
    return encode(
        {
            "accepted": accepted,
            "rejected": [
                {"index": each.position, "event_id": each.event_id, "reason": each.reason, "detail": each.detail}
                for each in rejected
            ],
        }
    )


async def send_accepted(
    send: Send, tenant: Tenant, origin: bytes | None, accepted: int, rejected: list[Rejection]
) -> None:
    """Answer 202: everything of the request is durable."""
    body = accepted_body(accepted, rejected)
    await send(accepted_start(tenant, origin, len(body)))
    await send({"type": "http.response.body", "body": body})


def problem_whole(problem: Problem, tenant: Tenant, origin: bytes | None) -> bytes:
    """A problem document from its header lines on."""
    body = problem.body()
    return whole(start_headers(body, PROBLEM_JSON, problem_headers(problem, tenant, origin)), body)


async def send_problem(
    send: Send, problem: Problem, tenant: Tenant | None, origin: bytes | None, extra: RawHeaders | None = None
) -> None:
    """Answer with a problem document."""
    await send_bytes(
        send,
        problem.kind.status,
        problem.body(),
        PROBLEM_JSON,
        [*problem_headers(problem, tenant, origin), *(extra or [])],
    )


def problem_headers(problem: Problem, tenant: Tenant | None, origin: bytes | None) -> RawHeaders:
    """What goes with a problem document, beside what its body needs."""
    return [NO_STORE, *cors_headers(tenant, origin), *problem.headers()]


async def send_preflight(send: Send, tenant: Tenant, origin: bytes | None) -> None:
    """Answer a browser's question whether a page may post here; without the allowing headers the answer is no."""
    headers = list(cors_headers(tenant, origin))
    if is_allowed(tenant, origin):
        headers += [
            (b"access-control-allow-methods", b"POST"),
            (b"access-control-allow-headers", b"content-type, content-encoding"),
            (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
        ]
    await send({"type": "http.response.start", "status": 204, "headers": [NOSNIFF, *headers]})
    await send({"type": "http.response.body", "body": b""})


async def send_bytes(send: Send, status: int, body: bytes, content_type: bytes, headers: RawHeaders) -> None:
    """Answer with a body of known length."""
    start = start_headers(body, content_type, headers)
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


def start_headers(body: bytes, content_type: bytes, headers: RawHeaders) -> RawHeaders:
    """The headers of an answer, with those that its body needs."""
    return [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), NOSNIFF, *headers]


def whole(headers: RawHeaders, body: bytes) -> bytes:
    """An answer from its header lines on. Every header is ours or was checked by uvicorn's parser."""
    return b"".join([*(name + b": " + value + b"\r\n" for name, value in headers), b"\r\n", body])
