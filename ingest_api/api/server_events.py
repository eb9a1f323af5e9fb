"""Events from a tenant's own servers: the same contract as the script's, with an API key instead of a host."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from echolead.events import ReceivedRequest
from echolead.tenancy import DirectoryUnavailable, Tenant, Tenants
from ingest_api.events.validation import check_batch
from ingest_api.http.bodies import Bodies, Disconnected
from ingest_api.http.problems import INVALID_KEY, TENANTS_UNAVAILABLE, Problem
from ingest_api.http.rates import RateLimits
from ingest_api.http.responses import accepted_body
from ingest_api.openapi.events import BATCH_DOCUMENTATION
from ingest_api.queue.event_store import Intake, now


def router(intake: Intake, rates: RateLimits, tenants: Tenants, bodies: Bodies) -> APIRouter:
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
        """As the collect path, with `Authorization: Bearer elk_…` to tell the tenant.

        The address and browser of the caller are a server's and are not kept.
        """
        tenant = await _tenant(tenants, request.headers.get("authorization", ""))
        headers = dict(request.scope["headers"])
        try:
            body = await bodies.read(headers, request.receive)
        except Disconnected:
            return Response(status_code=499)
        try:
            checked = check_batch(body, tenant.default_region)
            rates.meter(tenant, "").take(len(checked.accepted) + len(checked.rejected))
            received = ReceivedRequest(
                tenant_id=tenant.tenant_id,
                received_at=now(),
                sent_at=checked.sent_at,
                host=request.headers.get("host", ""),
                trace_id=intake.trace_id(headers),
                source="server",
                events=checked.accepted,
            )
            await intake.store(received, checked)
        finally:
            bodies.release(len(body))
        content = accepted_body(len(checked.accepted), checked.rejected)
        return Response(content, status_code=202, media_type="application/json")

    return routes


async def _tenant(tenants: Tenants, authorization: str) -> Tenant:
    scheme, _, api_key = authorization.partition(" ")
    try:
        tenant = await tenants.by_api_key(api_key.strip()) if scheme.lower() == "bearer" else None
    except DirectoryUnavailable as error:
        raise Problem(TENANTS_UNAVAILABLE, f"{error}.") from None
    if tenant is None:
        raise Problem(INVALID_KEY, "Send `Authorization: Bearer elk_…` with a key made by `echolead key create`.")
    return tenant
