"""`POST /v1/webhooks/{source}/{endpoint}`: verify the sender, queue the request as it arrived, then answer."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from fastapi import APIRouter, Request
from starlette.responses import Response

from echolead.security import Undecryptable, Vault, is_secret_name
from echolead.tenancy import DirectoryUnavailable, Tenants, Webhook
from echolead.webhooks import ReceivedWebhook, encode_webhook
from ingest_api.http.addresses import TrustedProxies
from ingest_api.http.asgi import header_text, peer_of
from ingest_api.http.bodies import Bodies, Disconnected
from ingest_api.http.problems import (
    TENANTS_UNAVAILABLE,
    UNKNOWN_WEBHOOK,
    WEBHOOKS_UNAVAILABLE,
    Problem,
)
from ingest_api.http.received import TraceIds, now
from ingest_api.metrics import Metrics
from ingest_api.openapi.webhooks import WEBHOOK_DOCUMENTATION
from ingest_api.queue.event_store import not_stored
from ingest_api.queue.publish import MessageTooLarge, Publisher, QueueUnavailable
from ingest_api.webhooks import chatwoot, hubspot, pipedrive, rdstation, standard
from ingest_api.webhooks.verification import EndpointSecrets, Verification, WebhookRequest

VERIFY_BY_SOURCE: Mapping[str, Callable[[WebhookRequest, EndpointSecrets], Verification]] = {
    "chatwoot": chatwoot.verify,
    "hubspot": hubspot.verify,
    "pipedrive": pipedrive.verify,
    "rdstation": rdstation.verify,
    "standard": standard.verify,
}
QUEUED = b'{"status":"queued"}'

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Webhooks:
    """What the route needs. `vault` is None where no key is set: then no secret can be read."""

    publisher: Publisher
    metrics: Metrics
    traces: TraceIds
    tenants: Tenants
    bodies: Bodies
    proxies: TrustedProxies
    vault: Vault | None
    public_url: str

    async def find(self, source: str, endpoint: str) -> Webhook:
        """The webhook of an address. Raises `Problem` for 404 and 503."""
        try:
            webhook = await self.tenants.by_webhook(source, endpoint)
        except DirectoryUnavailable as error:
            raise Problem(TENANTS_UNAVAILABLE, f"{error}.") from None
        if webhook is None:
            raise Problem(UNKNOWN_WEBHOOK, "`echolead webhook list` shows the addresses there are.")
        return webhook

    def secrets(self, webhook: Webhook, at: float) -> EndpointSecrets:
        """The secrets that the webhook accepts at Unix time `at`. Raises `Problem` when its secrets cannot be read."""
        try:
            known = self.vault.decrypt(webhook.secrets) if self.vault else None
        except Undecryptable as error:
            log.warning("webhook %s: %s", webhook.endpoint_id, error)
            known = None
        if known is None:
            raise Problem(WEBHOOKS_UNAVAILABLE, "The collector lacks the key that the secret is encrypted with.")
        names = ["current"]
        if webhook.previous_until is not None and at < webhook.previous_until.timestamp():
            names.append("previous")
        secrets = [known[name] for name in names if known.get(name)]
        return EndpointSecrets(secrets, webhook.allow_unsigned, webhook.token_header)

    def urls(self, request: Request, headers: Mapping[str, str]) -> Sequence[str]:
        """The addresses the request may have been sent to: below the public URL, and on the host it names."""
        scope = request.scope
        query = scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        host = headers.get("host", "")
        if "x-forwarded-host" in headers and self.proxies.trusts(peer_of(request.scope)):
            host = headers["x-forwarded-host"].rpartition(",")[2].strip()
        return [f"{self.public_url}{path}", f"https://{host}{path}"]

    async def store(self, webhook: Webhook, verified: Verification, headers: Mapping[str, str], body: bytes) -> None:
        """Return when the webhook is durable. Raises `Problem` when it may not be."""
        tenant_id = webhook.tenant.tenant_id
        received = ReceivedWebhook(
            tenant_id=tenant_id,
            source=webhook.source,
            endpoint_id=webhook.endpoint_id,
            delivery_id=verified.delivery_id,
            received_at=now(),
            proof=verified.method,
            trace_id=self.traces.of({name.encode(): value.encode() for name, value in headers.items()}),
            headers=kept_headers(headers, webhook.token_header),
            body=body,
        )
        message_id = sha256(f"{webhook.endpoint_id} {verified.method} {verified.repeat_key}".encode()).hexdigest()
        subject = f"webhooks.{tenant_id}.{webhook.source}"
        try:
            await self.publisher.publish(subject, encode_webhook(received), message_id=message_id)
        except (QueueUnavailable, MessageTooLarge) as error:
            raise not_stored(error) from None
        self.metrics.webhooks.labels(tenant_id, webhook.source).inc()


def router(webhooks: Webhooks) -> APIRouter:
    """The one route of all products."""
    routes = APIRouter()

    @routes.post(
        "/v1/webhooks/{source}/{endpoint}",
        tags=["webhooks"],
        summary="Receive a webhook of Chatwoot, a CRM, or any sender of Standard Webhooks",
        openapi_extra=WEBHOOK_DOCUMENTATION,
        response_class=Response,
    )
    async def receive_webhook(request: Request) -> Response:
        """Answers 200 once the request is on the queue's disk. Its content is read later.

        `endpoint` is the unguessable word that `echolead webhook add` makes. It determines the tenant, the product and
        the secret. A request that is sent again is answered as the first was and stored once.
        """
        webhook = await webhooks.find(request.path_params["source"], request.path_params["endpoint"])
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
        # Never decompressed: the signature covers the bytes that arrived, and those are stored.
        limits = {name: value for name, value in request.scope["headers"] if name != b"content-encoding"}
        try:
            body = await webhooks.bodies.read(limits, request.receive)
        except Disconnected:
            return Response(status_code=499)
        try:
            at = time.time()
            arrived = WebhookRequest(request.method, webhooks.urls(request, headers), headers, body, at)
            verified = VERIFY_BY_SOURCE[webhook.source](arrived, webhooks.secrets(webhook, at))
            await webhooks.store(webhook, verified, headers, body)
        finally:
            webhooks.bodies.release(len(body))
        # 200 and not 202: some senders count everything else as a failure.
        return Response(QUEUED, status_code=200, media_type="application/json")

    return routes


def kept_headers(headers: Mapping[str, str], token_header: str) -> dict[str, str]:
    """The headers that are stored. Headers with credentials are not: a reader could send in the sender's name."""
    return {
        name: header_text(value.encode("latin-1"))
        for name, value in headers.items()
        if name != token_header and "signature" not in name and not is_secret_name(name)
    }
