"""RD Station: CRM sends a token in a configurable header, Marketing sends no secret and only knows the address."""

from ingest_api.webhooks.verification import (
    EndpointSecrets,
    Verification,
    WebhookRequest,
    by_address,
    digest_of,
    matching,
    not_signed,
)


def verify(request: WebhookRequest, endpoint: EndpointSecrets) -> Verification:
    """Verify the sender by its token, bare or after `Bearer`, or by the address where allowed. Raises `Problem`."""
    presented = request.headers.get(endpoint.token_header, "")
    if endpoint.allow_unsigned and not (presented and endpoint.secrets):
        return by_address(request)
    scheme, _, token = presented.partition(" ")
    presented = token.strip() if scheme.lower() == "bearer" else presented
    if matching([each.encode() for each in endpoint.secrets], presented.encode("latin-1")) is None:
        raise not_signed(f"The token in the header {endpoint.token_header}")
    delivery_id = digest_of(request.body)
    return Verification("token", delivery_id, delivery_id)
