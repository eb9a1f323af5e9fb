"""The event contract, version 1: the events of tracking scripts, and the messages of the collector on the queue.

Structs are msgspec's, because the collector decodes every event of every request. The meaning of each field and the
limits are in docs/reference/event-contract.md.
"""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import msgspec
from msgspec import Meta, Raw, Struct

SCHEMA_VERSION = 1
MAX_EVENT_BYTES = 64 * 1024
MAX_BATCH_EVENTS = 500
MAX_BODY_BYTES = 1024 * 1024

# Every date type of the warehouse can hold times between these. dbt's macro bounded_time has the same bounds; a test
# compares them.
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2105, 12, 31, tzinfo=UTC)

EVENT_NAME_PATTERN = "^[a-z][a-z0-9_]{0,63}$"
UTM_FIELDS = (
    "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "utm_id", "utm_source_platform",
    "utm_creative_format", "utm_marketing_tactic",
)  # fmt: skip
CLICK_ID_FIELDS = (
    "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "gad_source", "gad_campaignid", "fbclid", "msclkid", "twclid",
    "li_fat_id", "igshid", "ttclid", "rdt_cid", "epik", "qclid", "sccid", "irclid", "mc_cid", "ctwa_clid", "oppref",
)  # fmt: skip
AD_COOKIE_FIELDS = ("_fbc", "_fbp", "_ga", "hubspotutk", "rdtrk")

Text = Annotated[str, Meta(max_length=2048)]
Url = Annotated[str, Meta(max_length=8192)]
Moment = Annotated[datetime, Meta(tz=True)]


class Page(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The page the event happened on; `query` is the raw query string as the address bar had it, without `?`."""

    url: Url
    title: Text = ""
    referrer: Url = ""
    query: Url = ""


class TouchPoint(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One arrival: parameters of the address (`params`: utm_*, click ids), ad cookies, and the referrer.

    Values are byte-exact and keep their case. A direct arrival has empty `params` and `referrer`, and counts as well.
    """

    at: Moment
    landing_url: Url
    referrer: Url = ""
    params: dict[str, Text] = {}
    cookies: dict[str, Text] = {}


class Touch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The visitor's first, last and last non-direct arrival, as the script stores them."""

    first: TouchPoint | None = None
    last: TouchPoint | None = None
    last_non_direct: TouchPoint | None = None


class Context(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The browser: BCP 47 language, IANA time zone, `WxH` in CSS pixels, script version."""

    language: Text = ""
    time_zone: Text = ""
    screen: Text = ""
    viewport: Text = ""
    script_version: Text = ""


class StatedUser(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The visitor's own data, as typed; the collector adds the normalised forms separately."""

    email: Text = ""
    phone: Text = ""
    name: Text = ""
    external_id: Text = ""


class Consent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Purposes (`analytics`, `marketing`, a tenant's own) granted (true) or denied (false), and the basis."""

    purposes: dict[str, bool] = {}
    basis: Text = ""
    policy_version: Text = ""
    at: Moment | None = None


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing a visitor did, as the script reports it. Unknown fields are kept in the payload, not refused.

    `event_id`, a UUIDv7 generated in the browser, is the event's key within its tenant, up to the warehouse.
    """

    event_id: UUID
    name: Annotated[str, Meta(pattern=EVENT_NAME_PATTERN)]
    tracking_id: UUID
    session_id: UUID
    occurred_at: Moment
    page: Page
    touch: Touch = Touch()
    context: Context = Context()
    user: StatedUser | None = None
    consent: Consent | None = None
    properties: dict[str, Any] = {}


class Batch(Struct, frozen=True, kw_only=True):
    """The body of `POST /t`. Events stay raw: each is validated by itself, so an invalid one does not affect others."""

    events: Annotated[list[Raw], Meta(min_length=1)]
    sent_at: Moment | None = None


class NormalizedUser(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`email` lower-cased and trimmed, `phone` E.164, `phone_variants` both ways to write it, if there are two."""

    email: str = ""
    phone: str = ""
    phone_variants: list[str] = []


class ReceivedEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One accepted event: its JSON exactly as sent, and the normalised fields of its `user`."""

    event: Raw
    user: NormalizedUser | None = None


class ReceivedRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request's accepted events with the collector's data about the request.

    A message on `events.{tenant_id}` is one or more of these as JSON, one a line.
    """

    schema_version: int = SCHEMA_VERSION
    tenant_id: str
    received_at: Moment
    sent_at: Moment | None = None
    host: str = ""
    ip: str = ""
    user_agent: str = ""
    client_hints: dict[str, str] = {}
    trace_id: str = ""
    source: str = "script"  # script, server, pixel
    events: list[ReceivedEvent]


CollectorReason = Literal[
    "invalid_event",
    "malformed_json",
    "invalid_unicode",
    "nul_character",
    "time_out_of_range",
    "nesting_too_deep",
    "too_many_keys",
    "repeated_key",
    "event_too_large",
]
"""Reasons for which the collector makes an event a dead letter (docs/reference/collector.md)."""

LoaderReason = Literal[
    "unreadable_request",
    "unreadable_event",
    "unreadable_webhook",
    "unreadable_dead_letter",
    "not_a_row",
    "delivered_too_often",
]
"""Reasons for which the loader makes a dead letter."""

REASONS: tuple[str, ...] = (*get_args(CollectorReason), *get_args(LoaderReason))
"""The codes a dead letter can have: the collector's, then the loader's."""


class DeadLetter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event or message that could not be accepted or loaded, kept with its bytes to be read, corrected and replayed.

    A message on `dead.{tenant_id}` is one or more of these as JSON, one a line. `payload` is the original text
    (undecodable bytes as base64 with `is_base64`), `index` its place in the batch, `reason` a code, `detail` a
    sentence, `stage` the part that refused it: `collector` or `loader`. What follows `trace_id` is its request's,
    so that it can be sent again; letters of earlier versions do not have it.
    """

    schema_version: int = SCHEMA_VERSION
    dead_letter_id: UUID
    tenant_id: str
    received_at: Moment
    stage: str
    reason: str
    detail: str
    index: int = 0
    event_id: str = ""
    payload: str = ""
    is_base64: bool = False
    host: str = ""
    trace_id: str = ""
    source: str = ""
    ip: str = ""
    user_agent: str = ""
    sent_at: Moment | None = None


def text_or_base64(content: bytes) -> tuple[str, bool]:
    """`content` as text, or as base64 (True) when it is not UTF-8: the form of a `payload` with its `is_base64`."""
    try:
        return content.decode(), False
    except UnicodeDecodeError:
        return b64encode(content).decode(), True


encode = msgspec.json.Encoder().encode
decode_batch = msgspec.json.Decoder(Batch).decode
decode_event = msgspec.json.Decoder(Event).decode
decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
"""The fields of any JSON object, each as it was written."""
decode_received_request = msgspec.json.Decoder(ReceivedRequest).decode
decode_dead_letter = msgspec.json.Decoder(DeadLetter).decode
