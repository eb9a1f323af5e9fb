"""Events from a tenant's own servers: the same contract as the script's, with an API key instead of a host."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from echolead.events import ReceivedRequest
from echolead.tenancy import ActiveTenant, DirectoryUnavailable, Tenants
from ingest_api.events.batch import accepted_body, check_batch
from ingest_api.http.bodies import Bodies, Disconnected
from ingest_api.http.problems import INVALID_KEY, TENANTS_UNAVAILABLE, Problem
from ingest_api.http.rates import RateLimits
from ingest_api.http.received import TraceIds, now
from ingest_api.openapi.events import BATCH_DOCUMENTATION
from ingest_api.queue.event_store import EventStore


def router(event_store: EventStore, rates: RateLimits, tenants: Tenants, bodies: Bodies, traces: TraceIds) -> APIRouter:
    """`POST /v1/events`."""
    routes = APIRouter()

    @routes.post(
        "/v1/events",
        status_code=202,
        tags=["events"],
        summary="Store events sent by a server",
        openapi_extra={**BATCH_DOCUMENTATION, "security": [{"apiKey": []}]},
        response_class=Response,
    )
    async def store_server_events(request: Request) -> Response:
        """As the collect path. The key in `Authorization: Bearer elk_…` names the tenant.

        The address and user agent of the caller are those of a server and are not kept.
        """
        tenant = await _tenant(tenants, request.headers.get("authorization", ""))
        headers = dict(request.scope["headers"])
        try:
            body = await bodies.read(headers, request.receive)
        except Disconnected:
            return Response(status_code=499)
        try:
            batch = check_batch(body, tenant.default_region)
            rates.meter(tenant, "").add(len(batch.accepted) + len(batch.rejected))
            received = ReceivedRequest(
                tenant_id=tenant.tenant_id,
                received_at=now(),
                sent_at=batch.sent_at,
                host=request.headers.get("host", ""),
                trace_id=traces.of(headers),
                source="server",
                events=batch.accepted,
            )
            await event_store.store(received, batch)
        finally:
            bodies.release(len(body))
        return Response(accepted_body(batch), status_code=202, media_type="application/json")

    return routes


async def _tenant(tenants: Tenants, authorization: str) -> ActiveTenant:
    scheme, _, api_key = authorization.partition(" ")
    try:
        tenant = await tenants.by_api_key(api_key.strip()) if scheme.lower() == "bearer" else None
    except DirectoryUnavailable as error:
        raise Problem(TENANTS_UNAVAILABLE, f"{error}.") from None
    if tenant is None:
        raise Problem(INVALID_KEY, "Send `Authorization: Bearer elk_…` with a key made by `echolead key create`.")
    return tenant
