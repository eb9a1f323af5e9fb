"""Standard Webhooks: HMAC-SHA256 over id, time and body; several signatures may stand beside each other."""

import base64
import binascii
import hmac

from echolead.webhooks import standard_key
from ingest_api.webhooks.verification import (
    MAX_DELIVERY_ID,
    EndpointSecrets,
    Verification,
    WebhookRequest,
    check_time,
    matching,
    not_signed,
)


def verify(request: WebhookRequest, endpoint: EndpointSecrets) -> Verification:
    """Verify the sender by `webhook-signature`, version 1.

    The library of the same name decodes the body as text and raises the same error for a late webhook as for a forged
    one. The tests use its vectors. Raises `Problem`.
    """
    delivery_id = request.headers.get("webhook-id", "")
    time = request.headers.get("webhook-timestamp", "")
    content = f"{delivery_id}.{time}.".encode("latin-1") + request.body
    expected = [hmac.digest(standard_key(each), content, "sha256") for each in endpoint.secrets]
    presented = signatures(request.headers.get("webhook-signature", ""))
    if not delivery_id or not any(matching(expected, each) for each in presented):
        raise not_signed("webhook-signature")
    check_time(time, request.now)
    return Verification("signature", delivery_id[:MAX_DELIVERY_ID], delivery_id)


def signatures(header: str) -> list[bytes]:
    """The version 1 signatures of a header, without those that are not base64."""
    found = []
    for each in header.split():
        version, _, text = each.partition(",")
        if version == "v1":
            try:
                found.append(base64.b64decode(text, validate=True))
            except (binascii.Error, ValueError):
                continue
    return found
