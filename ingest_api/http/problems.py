"""Refusals as RFC 9457 problem documents; each type has a page in docs/problems."""

from collections.abc import Mapping
from dataclasses import dataclass

from echolead.events import MAX_BATCH_EVENTS, MAX_BODY_BYTES, encode

PROBLEM_JSON = b"application/problem+json"


@dataclass(frozen=True)
class ProblemType:
    """A kind of refusal. Its type URI is `/problems/{name}`; `advice` is the text of that page."""

    name: str
    status: int
    title: str
    advice: str = ""
    retry_after_seconds: int | None = None


UNKNOWN_HOST = ProblemType(
    "unknown-host", 404, "No tenant answers on this host",
    "The Host header is not a host of an active tenant. Add the host (`echolead tenant add-host`), enable its tenant "
    "if it was disabled (`echolead tenant enable`), or correct the DNS entry or proxy that sends its requests here. "
    "Changes of hosts and tenants take effect within two seconds.",
)  # fmt: skip
NOT_FOUND = ProblemType(
    "not-found", 404, "Nothing is here",
    "Check the address; /docs lists every address of the API.",
)  # fmt: skip
ORIGIN_NOT_ALLOWED = ProblemType(
    "origin-not-allowed", 403, "Pages of this origin may not send events here",
    "The Origin header, or the pixel's Referer, names a page that is neither on one of the tenant's hosts nor on "
    "its list of origins. Nothing was stored. Add the origin with `echolead tenant add-origin`; it works within two "
    "seconds.",
)  # fmt: skip
NOT_AN_IDENTITY = ProblemType(
    "not-an-identity", 422, "The body names no visitor",
    'The body must be JSON of the form {"tracking_id": "…"}, with "link" when a link was followed. The tracking '
    "script sends this request; the page works without the answer.",
)  # fmt: skip
INVALID_REQUEST = ProblemType(
    "invalid-request", 422, "The request is not valid",
    "A field of the request is missing or has the wrong type; `detail` names each. `/docs` describes what is "
    "expected.",
)  # fmt: skip
METHOD_NOT_ALLOWED = ProblemType(
    "method-not-allowed", 405, "This address does not support this method",
    "The Allow header names the methods that it supports.",
)  # fmt: skip
SLOW_REQUEST = ProblemType(
    "slow-request", 408, "The body did not arrive in time",
    "Nothing was stored. Send the same request again, or split it if the connection is slow.",
)  # fmt: skip
BODY_TOO_LARGE = ProblemType(
    "body-too-large", 413, "The body is too large",
    "A request may hold 1 MB, counted after decompression. Split the batch and send the parts.",
)  # fmt: skip
UNSUPPORTED_ENCODING = ProblemType(
    "unsupported-encoding", 415, "The body's encoding is not supported",
    "Send the body uncompressed, or with Content-Encoding: gzip.",
)  # fmt: skip
NOT_A_BATCH = ProblemType(
    "not-a-batch", 422, "The body is not a batch of events",
    'The body must be JSON of the form {"sent_at": "…", "events": [event, …]} with at least one event. Nothing was '
    "stored. The same body will be refused again.",
)  # fmt: skip
TOO_MANY_EVENTS = ProblemType(
    "too-many-events", 422, "The batch holds too many events", "Send at most 500 events in one request."
)
INVALID_KEY = ProblemType(
    "invalid-key", 401, "The API key is missing or not valid",
    "Send Authorization: Bearer elk_…. The key may have been revoked, or its tenant disabled: see `echolead key "
    "list` and `echolead tenant show`. A new key works within two seconds.",
)  # fmt: skip
WRONG_PASSWORD = ProblemType(
    "wrong-password", 401, "E-mail or password is not right",
    "Check both and try again. An administrator can set another password: `echolead user set-password`.",
)  # fmt: skip
NOT_SIGNED_IN = ProblemType(
    "not-signed-in", 401, "You are not signed in",
    "The session token is missing or expired, its session was ended (by signing out, by `revoke`, by a new password), "
    "or its user may no longer sign in. If the browser sends two session cookies, neither is used: remove the cookies "
    "of the site. Then sign in again.",
)  # fmt: skip
TOO_MANY_SIGN_INS = ProblemType(
    "too-many-sign-ins", 429, "Too many attempts to sign in",
    "Too many attempts from this device or network failed in the last 15 minutes, or too many attempts on this "
    "account from unknown devices. Try again after Retry-After seconds, or use a device that has signed in to the "
    "account before.",
)  # fmt: skip
TOO_MANY_EVENTS_A_MINUTE = ProblemType(
    "too-many-events-a-minute", 429, "Too many events in a minute",
    "The address or the tenant has reached its limit of events per minute. Nothing of the request was stored: send it "
    "again after Retry-After seconds. The limits are ECHOLEAD_EVENTS_PER_MINUTE_OF_ADDRESS and "
    "ECHOLEAD_EVENTS_PER_MINUTE; a tenant can have its own: `echolead tenant set --events-per-minute`.",
)  # fmt: skip
QUOTA_REACHED = ProblemType(
    "quota-reached", 429, "The tenant's quota of the month is used up",
    "Nothing of the request was stored. Retry-After gives the seconds until the next month begins (UTC). The quota "
    "can be raised at any time: `echolead tenant set --events-per-month`.",
)  # fmt: skip
UNKNOWN_WEBHOOK = ProblemType(
    "unknown-webhook", 404, "No webhook is expected at this address",
    "The address was removed, belongs to another product or to a disabled tenant, or was copied incompletely: compare "
    "it with `echolead webhook list`. A new address works within two seconds.",
)  # fmt: skip
INVALID_SIGNATURE = ProblemType(
    "invalid-signature", 401, "The webhook's sender is not verified",
    "The signature, password or token is missing, was made with another secret, or belongs to another body or "
    "address. Compare the secret in the product with `echolead webhook`; after a rotation the previous secret works "
    "for 24 hours. HubSpot signs the address it posts to, which must begin with ECHOLEAD_COLLECTOR_URL.",
)  # fmt: skip
STALE_WEBHOOK = ProblemType(
    "stale-webhook", 401, "The webhook's time is not current",
    "The signature is valid, but its time differs from the collector's clock by more than five minutes. Old requests "
    "that are sent again are refused. If new webhooks are refused, correct the sender's or the collector's clock.",
)  # fmt: skip
QUEUE_UNAVAILABLE = ProblemType(
    "queue-unavailable", 503, "Events cannot be stored at the moment",
    "The queue is unreachable, too slow, full, or does not sync to disk. Keep the events and send the same request "
    "again after Retry-After seconds. Parts of it may have been stored; repeated events are recognised by their ids. "
    "Operators see the cause at /readyz.",
    1,
)  # fmt: skip
OVERLOADED = ProblemType(
    "overloaded", 503, "The collector is busy",
    "The collector is processing too many bytes at once. Send the same request again after Retry-After seconds.",
    1,
)  # fmt: skip
TENANTS_UNAVAILABLE = ProblemType(
    "tenants-unavailable", 503, "The tenants cannot be looked up at the moment",
    "The operational database does not answer, and the collector does not know the host, key or webhook, which may be "
    "new. Send the same request again after Retry-After seconds.",
    1,
)  # fmt: skip
WEBHOOKS_UNAVAILABLE = ProblemType(
    "webhooks-unavailable", 503, "Webhooks cannot be checked at the moment",
    "The collector cannot decrypt the webhook's secret: its key is missing from ECHOLEAD_COLLECTOR_SECRET_KEYS. "
    "Nothing was stored; send the same request again after Retry-After seconds.",
    60,
)  # fmt: skip
SIGN_IN_UNAVAILABLE = ProblemType(
    "sign-in-unavailable", 503, "Signing in is not possible at the moment",
    "The operational database does not answer. Try again after Retry-After seconds.",
    5,
)  # fmt: skip

FORBIDDEN = ProblemType(
    "forbidden", 403, "Your role does not allow this",
    "The operation needs another role in the tenant, or a scope that the token does not have; `detail` names it. The "
    "answer is the same where there is no such tenant. An admin of the tenant can change your role: `echolead user "
    "grant`. A change works at the next request.",
)  # fmt: skip
NO_SUCH_OBJECT = ProblemType(
    "no-such-object", 404, "There is no such object in this tenant",
    "The object of the address was removed, belongs to another tenant, or never was; `detail` says what there is.",
)  # fmt: skip
ALREADY_THERE = ProblemType(
    "already-there", 409, "This is there already",
    "The name is taken, or another request has made the same change at the same time. Look again, and choose another "
    "name if it is not yours.",
)  # fmt: skip
CHANGED_MEANWHILE = ProblemType(
    "changed-meanwhile", 409, "Another user has changed this meanwhile",
    "The edit is based on an earlier version, and was not saved. `version`, `changed_by` and `changed_at` say what is "
    "the newest, `differences` what differs between it and your edit. Read the newest version, apply your edit to it, "
    "and send it with the new ETag.",
)  # fmt: skip
VERSION_REQUIRED = ProblemType(
    "version-required", 428, "The edit does not name the version it is based on",
    "Send the header If-Match with the ETag that the GET of the same address answered. Otherwise two users who edit at "
    "the same time would overwrite each other.",
)  # fmt: skip
CHANGE_REFUSED = ProblemType(
    "change-refused", 422, "The change is not possible",
    "The request is well-formed, but its values do not fit together or not to what is stored; `detail` says which and "
    "what to do instead. Nothing was changed.",
)  # fmt: skip
IDEMPOTENCY_KEY_REUSED = ProblemType(
    "idempotency-key-reused", 422, "The Idempotency-Key belongs to another request",
    "The same key was sent with another method, address or body in the last 24 hours. Use a new key for each new "
    "request, and the same key only to send the same request again.",
)  # fmt: skip
CONTROL_UNAVAILABLE = ProblemType(
    "control-unavailable", 503, "The operation is not possible at the moment",
    "A database that the operation needs does not answer or is not configured; `detail` names it. Nothing was changed. "
    "Send the same request again after Retry-After seconds, with the same Idempotency-Key.",
    5,
)  # fmt: skip

PROBLEM_TYPES = (
    UNKNOWN_HOST, NOT_FOUND, ORIGIN_NOT_ALLOWED, NOT_AN_IDENTITY, INVALID_REQUEST, METHOD_NOT_ALLOWED, SLOW_REQUEST,
    BODY_TOO_LARGE, UNSUPPORTED_ENCODING, NOT_A_BATCH, TOO_MANY_EVENTS, INVALID_KEY, WRONG_PASSWORD, NOT_SIGNED_IN,
    TOO_MANY_SIGN_INS, TOO_MANY_EVENTS_A_MINUTE, QUOTA_REACHED, UNKNOWN_WEBHOOK, INVALID_SIGNATURE, STALE_WEBHOOK,
    QUEUE_UNAVAILABLE, OVERLOADED, TENANTS_UNAVAILABLE, WEBHOOKS_UNAVAILABLE, SIGN_IN_UNAVAILABLE,
    FORBIDDEN, NO_SUCH_OBJECT, ALREADY_THERE, CHANGED_MEANWHILE, VERSION_REQUIRED, CHANGE_REFUSED,
    IDEMPOTENCY_KEY_REUSED, CONTROL_UNAVAILABLE,
)  # fmt: skip


class Problem(Exception):
    """The request is answered with a problem document. `detail` is a sentence that says what to do.

    `retry_after_seconds` replaces the kind's own; `more` are members of the document beside the standard ones.
    """

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        retry_after_seconds: int | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{kind.title}: {detail}")
        self.kind = kind
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds or kind.retry_after_seconds
        self.more = dict(more or {})

    def body(self) -> bytes:
        """The problem document."""
        kind = self.kind
        standard = {"type": f"/problems/{kind.name}", "title": kind.title, "status": kind.status, "detail": self.detail}
        return encode({**self.more, **standard})

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Headers that go with the document."""
        if self.retry_after_seconds is None:
            return []
        return [(b"retry-after", str(self.retry_after_seconds).encode())]


def body_too_large() -> Problem:
    """A body over the limit, before or after decompression."""
    return Problem(BODY_TOO_LARGE, f"A request may hold {MAX_BODY_BYTES} bytes; send fewer events at once.")


def too_many_events(count: int) -> Problem:
    """A batch over the limit."""
    return Problem(TOO_MANY_EVENTS, f"The batch holds {count} events; send at most {MAX_BATCH_EVENTS} at once.")
