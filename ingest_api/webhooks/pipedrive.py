"""Pipedrive: HTTP Basic with the user and password that were entered beside the address. Nothing is signed."""

import base64
import binascii

from ingest_api.webhooks.verification import (
    EndpointSecrets,
    Verification,
    WebhookRequest,
    digest_of,
    matching,
    not_signed,
)

COUNTERS = ("meta.attempt", "retry")  # of webhooks of version 2 and 1 ("Guide for Webhooks v2", "Retry logic")


def verify(request: WebhookRequest, endpoint: EndpointSecrets) -> Verification:
    """Verify the sender by `Authorization: Basic …`. Raises `Problem`."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    try:
        presented = base64.b64decode(credentials.strip(), validate=True) if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        presented = b""
    if matching([each.encode() for each in endpoint.secrets], presented) is None:
        raise not_signed("`Authorization: Basic` with the webhook's user and password")
    delivery_id = digest_of(request.body, *COUNTERS)
    return Verification("password", delivery_id, delivery_id)
