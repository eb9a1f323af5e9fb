"""Secrets and e-mail addresses in the addresses of pages: taken out before an event is stored.

A page behind a password reset, a sign-in or a newsletter link has them in its address, and the script sends the address
it finds. What tells where a visitor comes from (utm_*, click ids) is never touched (docs/decisions/0013-scrubbing.md).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from urllib.parse import unquote_plus

import msgspec
from msgspec import Raw

from echolead.events import CLICK_ID_FIELDS, Event, Page, TouchPoint, encode

REMOVED = "[removed]"
PAGE_FIELDS = ("url", "referrer", "query")
POINT_FIELDS = ("landing_url", "referrer")

TRACKING_NAMES = frozenset(CLICK_ID_FIELDS)
SECRET_NAME = re.compile(
    r"(.*[_.\[-])?(pass|passw(or)?d|passphrase|pwd|senha|[a-z]*token|[a-z]*secret|api[_-]?key|auth|authorization|"
    r"session([_-]?id)?|[a-z]*sessid|sid|jwt|signature)\]?"
)
# The three letters that end a secret's name, in any case: few other names end like these, and comparing them costs a
# tenth of taking an address apart.
ENDINGS = frozenset(
    "".join(letters)
    for ending in ("ass", "ord", "rd]", "swd", "wd]", "pwd", "ase", "nha", "ha]", "ken", "en]", "ret", "et]", "key",
                   "uth", "ion", "_id", "-id", "nid", "sid", "jwt", "ure", "ode", "%5d")
    for letters in product(*((letter.lower(), letter.upper()) for letter in ending))
)  # fmt: skip
MAX_REMEMBERED = 1024
"""Characters of an address that is remembered: a visitor's events share a few, made-up ones must not pile up."""
SEPARATOR = re.compile(r"([?&;#])")
EMAIL = re.compile(r"[^\s@=/?&;#,:<>()\"]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")

decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


def scrubbed(raw: Raw, event: Event) -> Raw:
    """The JSON of an event without secrets in its addresses; the very same bytes where there is none.

    `event` is `raw`, decoded. Every value but the addresses that change stays byte by byte what it was.
    """
    page = _changes(event.page, PAGE_FIELDS)
    touch, points = event.touch, {}
    for name, point in (("first", touch.first), ("last", touch.last), ("last_non_direct", touch.last_non_direct)):
        if point is not None and (changes := _changes(point, POINT_FIELDS)):
            points[name] = changes
    if not page and not points:
        return raw
    fields = decode_fields(raw)
    if page:
        fields["page"] = _with(fields["page"], page)
    if points:
        inside = decode_fields(fields["touch"])
        fields["touch"] = _with(fields["touch"], {name: _with(inside[name], points[name]) for name in points})
    return Raw(encode(fields))


def scrub(address: str, *, is_query: bool = False) -> str:
    """An address, or a query alone, without secrets and e-mail addresses in its parameters; else the same text."""
    if "=" not in address and "@" not in address and "%40" not in address:
        return address
    return (_remembered if len(address) <= MAX_REMEMBERED else _scrubbed_address)(address, is_query)


def _scrubbed_address(address: str, is_query: bool) -> str:
    names = [before[-3:] for before in address.split("=")[:-1]]
    if ENDINGS.isdisjoint(names) and "@" not in address and "%40" not in address:
        return address
    parts = SEPARATOR.split(address)
    # In a sign-in's answer `code` is as good as a password for a minute; elsewhere it is a voucher or a country.
    is_sign_in = any(part.startswith("state=") for part in parts)
    start = 0 if is_query else 1
    return "".join([*parts[:start], *(_scrubbed_parameter(part, is_sign_in) for part in parts[start:])])


_remembered = lru_cache(maxsize=4096)(_scrubbed_address)


def _scrubbed_parameter(parameter: str, is_sign_in: bool) -> str:
    name, equals, value = parameter.partition("=")
    plain = unquote_plus(name).lower()
    if plain in TRACKING_NAMES or plain.startswith("utm_"):
        return parameter
    if value and (SECRET_NAME.fullmatch(plain) or (is_sign_in and plain == "code")):
        return f"{name}{equals}{REMOVED}"
    return EMAIL.sub(REMOVED, parameter) if "@" in parameter or "%40" in parameter else parameter


def _changes(place: Page | TouchPoint, fields: tuple[str, ...]) -> dict[str, str]:
    """The fields of a page or an arrival that are not as they may be stored, with what is."""
    found = {}
    for name in fields:
        address: str = getattr(place, name)
        if address and (clean := scrub(address, is_query=name == "query")) != address:
            found[name] = clean
    return found


def _with(raw: Raw, changes: Mapping[str, str | Raw]) -> Raw:
    """A JSON object with some values replaced and the others untouched."""
    return Raw(encode({**decode_fields(raw), **changes}))
