"""Chatwoot: HMAC-SHA256 over time and body (from 4.11.2 for accounts, 4.13.0 for inboxes and bots), nothing before."""

import hmac

from ingest_api.webhooks.verification import (
    MAX_DELIVERY_ID,
    EndpointSecrets,
    Verification,
    WebhookRequest,
    by_address,
    check_time,
    digest_of,
    matching,
    not_signed,
)


def verify(request: WebhookRequest, endpoint: EndpointSecrets) -> Verification:
    """Verify the sender by `X-Chatwoot-Signature`, or by the address where that is allowed.

    An endpoint that allows unsigned webhooks and has a secret still refuses a wrong signature. Without a secret it
    ignores signatures: some versions show another secret than they sign with (chatwoot/chatwoot issue 13809).
    Raises `Problem`.
    """
    signature = request.headers.get("x-chatwoot-signature", "")
    delivery_id = request.headers.get("x-chatwoot-delivery", "")[:MAX_DELIVERY_ID]
    if endpoint.allow_unsigned and not (signature and endpoint.secrets):
        return by_address(request, delivery_id)
    time = request.headers.get("x-chatwoot-timestamp", "")
    content = time.encode() + b"." + request.body
    expected = [b"sha256=" + hmac.digest(each.encode(), content, "sha256").hex().encode() for each in endpoint.secrets]
    found = matching(expected, signature.encode())
    if found is None:
        raise not_signed("X-Chatwoot-Signature")
    check_time(time, request.now)
    # Chatwoot does not sign its delivery id, so repeats are recognised by the signature.
    return Verification("signature", delivery_id or digest_of(request.body), found.decode())
