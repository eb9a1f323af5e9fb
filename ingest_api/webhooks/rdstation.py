"""RD Station: CRM sends a token in a header of our choice, Marketing sends nothing but knows the address."""

from ingest_api.webhooks.verification import Accepted, Posted, Proof, by_address, digest_of, matching, not_signed


def check(posted: Posted, accepted: Accepted) -> Proof:
    """Tell the sender by its token, bare or after `Bearer`, or by the address where allowed. Raises `Problem`."""
    presented = posted.headers.get(accepted.token_header, "")
    if accepted.allow_unsigned and not (presented and accepted.secrets):
        return by_address(posted)
    scheme, _, token = presented.partition(" ")
    presented = token.strip() if scheme.lower() == "bearer" else presented
    if matching([each.encode() for each in accepted.secrets], presented.encode("latin-1")) is None:
        raise not_signed(f"The token in the header {accepted.token_header}")
    delivery_id = digest_of(posted.body)
    return Proof("token", delivery_id, delivery_id)
