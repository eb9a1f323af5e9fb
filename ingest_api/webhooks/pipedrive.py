"""Pipedrive: HTTP Basic with the user and password that were entered beside the address. Nothing is signed."""

import base64
import binascii

from ingest_api.webhooks.verification import Accepted, Posted, Proof, digest_of, matching, not_signed


def check(posted: Posted, accepted: Accepted) -> Proof:
    """Tell the sender by `Authorization: Basic …`. Raises `Problem`."""
    scheme, _, credentials = posted.headers.get("authorization", "").partition(" ")
    try:
        presented = base64.b64decode(credentials.strip(), validate=True) if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        presented = b""
    if matching([each.encode() for each in accepted.secrets], presented) is None:
        raise not_signed("`Authorization: Basic` with the webhook's user and password")
    delivery_id = digest_of(posted.body)
    return Proof("password", delivery_id, delivery_id)
