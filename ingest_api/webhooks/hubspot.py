"""HubSpot: signature version 3, HMAC-SHA256 over method, address, body and time with the app's client secret."""

import base64
import hmac

from ingest_api.webhooks.verification import (
    EndpointSecrets,
    Verification,
    WebhookRequest,
    check_time,
    digest_of,
    matching,
    not_signed,
)

# The escapes that HubSpot undoes in the address before it signs it ("Validate the v3 request signature").
DECODED = {
    "%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$", "%27": "'", "%28": "(", "%29": ")",
    "%2A": "*", "%2C": ",", "%3B": ";",
}  # fmt: skip

COUNTER = "attemptNumber"  # of each event in the list ("Webhooks API", "Webhook payloads")


def verify(request: WebhookRequest, endpoint: EndpointSecrets) -> Verification:
    """Verify the sender by `X-HubSpot-Signature-v3`; the timestamp is in milliseconds.

    HubSpot signs the address it was given. Behind a proxy the request arrives with another one, so each of
    `request.urls` is tried. That is safe: the word in the path belongs to this endpoint only. Raises `Problem`.
    """
    time = request.headers.get("x-hubspot-request-timestamp", "")
    expected = []
    for secret in endpoint.secrets:
        for url in request.urls:
            content = f"{request.method}{decoded(url)}".encode() + request.body + time.encode()
            expected.append(base64.b64encode(hmac.digest(secret.encode(), content, "sha256")))
    found = matching(expected, request.headers.get("x-hubspot-signature-v3", "").encode())
    if found is None:
        raise not_signed("X-HubSpot-Signature-v3")
    check_time(time, request.now, units_a_second=1000)
    return Verification("signature", digest_of(request.body, COUNTER), found.decode())


def decoded(url: str) -> str:
    """The address as HubSpot signs it: it decodes twelve escapes and no others."""
    for escape, character in DECODED.items():
        url = url.replace(escape, character).replace(escape.lower(), character)
    return url
