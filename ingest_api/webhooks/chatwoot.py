"""Chatwoot: HMAC-SHA256 over time and body (from 4.11.2 for accounts, 4.13.0 for inboxes and bots), nothing before."""

import hmac

from ingest_api.webhooks.verification import (
    MAX_DELIVERY_ID,
    Accepted,
    Posted,
    Proof,
    by_address,
    check_time,
    digest_of,
    matching,
    not_signed,
)


def check(posted: Posted, accepted: Accepted) -> Proof:
    """Tell the sender by `X-Chatwoot-Signature`, or by the address where that is allowed.

    An endpoint that may be unsigned and has a secret still refuses a wrong signature; without a secret it ignores
    signatures, as some versions show another secret than they sign with (chatwoot/chatwoot issue 13809).
    Raises `Problem`.
    """
    signature = posted.headers.get("x-chatwoot-signature", "")
    delivery_id = posted.headers.get("x-chatwoot-delivery", "")[:MAX_DELIVERY_ID]
    if accepted.allow_unsigned and not (signature and accepted.secrets):
        return by_address(posted, delivery_id)
    time = posted.headers.get("x-chatwoot-timestamp", "")
    content = time.encode() + b"." + posted.body
    expected = [b"sha256=" + hmac.digest(each.encode(), content, "sha256").hex().encode() for each in accepted.secrets]
    found = matching(expected, signature.encode())
    if found is None:
        raise not_signed("X-Chatwoot-Signature")
    check_time(time, posted.now)
    # Chatwoot does not sign its delivery id: what is sent again is told by the signature.
    return Proof("signature", delivery_id or digest_of(posted.body), found.decode())
