"""Remove secrets and e-mail addresses from the addresses of pages before an event is stored.

The address of a page behind a password reset, a sign-in or a newsletter link holds them, and the script sends the
address. Parameters that show where a visitor comes from (utm_*, click ids) stay (docs/decisions/0013-scrubbing.md).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from operator import attrgetter
from typing import Any
from urllib.parse import unquote_plus

from msgspec import Raw

from echolead.events import CLICK_ID_FIELDS, Event, decode_fields, encode

REMOVED = "[removed]"
PAGE_FIELDS = ("url", "referrer", "query")
POINT_FIELDS = ("landing_url", "referrer")
of_page = attrgetter(*PAGE_FIELDS)
of_point = attrgetter(*POINT_FIELDS)

TRACKING_NAMES = frozenset(CLICK_ID_FIELDS)
# Names of secrets, in lower case: alone, or after a prefix that ends in `_`, `-`, `.` or `[`.
SECRET_WORDS = (
    "pass", "passwd", "password", "passphrase", "passcode", "pwd", "pin", "otp", "totp", "senha", "cpf", "apikey",
    "accesskey", "secretkey", "privatekey", "auth", "authorization", "credential", "credentials", "assertion",
    "samlresponse", "session", "sessionid", "sid", "jwt", "signature",
)  # fmt: skip
SECRET_PAIRS = ("session_id", "session-id")  # like the words, but with a prefix's end in them
SECRET_ENDS = ("token", "secret", "sessid")  # after any letters, as in resetToken
KEY_ENDS = ("_key", "-key")  # after anything: a `key` alone is mostly a map's
# The prefix is atomic: it ends at the last separator, and no other place is tried. A name may have thousands.
SECRET_NAME = re.compile(
    rf"((?>.*[_.\[-])?({'|'.join(SECRET_WORDS)}|[a-z]*({'|'.join(SECRET_ENDS)}))"
    rf"|(.*[_.\[-])?({'|'.join(SECRET_PAIRS)})|.+({'|'.join(KEY_ENDS)}))\]?",
    re.DOTALL,
)
# The last three letters of secrets' names, in any case. Few other names end like these, and the comparison costs a
# tenth of splitting an address.
ENDINGS = frozenset(
    "".join(letters)
    for word in (*SECRET_WORDS, *SECRET_PAIRS, *SECRET_ENDS, *KEY_ENDS, "code")
    for ending in (word[-3:], f"{word[-2:]}]")
    for letters in product(*((letter.lower(), letter.upper()) for letter in ending))
)
ENCODED_NAME = re.compile(r"%[^%?&;#=]*=")  # an encoded name can have any ending
MAX_ENCODINGS = 3
MAX_REMEMBERED = 1024
"""Longer addresses of a page or an arrival are not cached: a visitor's events share a few short ones."""
USERINFO = re.compile(r"\A(\s*(?:[a-z][a-z0-9+.-]*:)?//)[^/?#\\]*@", re.IGNORECASE)
SEPARATOR = re.compile(r"([?&;#])")
STATE = re.compile(r"(?:\A|[?&;#])state=")
AT_SIGNS = ("@", "%40", "%2540")
AT_SIGN = re.compile("|".join(AT_SIGNS))
MAX_LOCAL_PART = 64
BEFORE_LOCAL_PART = re.compile(r".*[\s@=/?&;#,:<>()\"]", re.DOTALL)
DOMAIN = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
MAX_EMAILS = 10
"""At signs of an address around which e-mail addresses are searched; a search takes a microsecond. A parameter with
more is removed whole."""


def scrubbed(raw: Raw, event: Event) -> Raw:
    """The JSON of an event without secrets in its addresses; the same bytes if there are none.

    `event` is `raw`, decoded. Every value except a changed address stays the same byte by byte.
    """
    page = _changes(of_page(event.page), PAGE_FIELDS)
    touch, points = event.touch, {}
    for name, point in (("first", touch.first), ("last", touch.last), ("last_non_direct", touch.last_non_direct)):
        if point is not None and (changes := _changes(of_point(point), POINT_FIELDS)):
            points[name] = changes
    # The target of a clicked link: the only property in which the script writes an address.
    url = event.properties.get("url")
    link: Any = scrub(url) if isinstance(url, str) else url
    if not page and not points and link == url:
        return raw
    fields = decode_fields(raw)
    if page:
        fields["page"] = _with(fields["page"], page)
    if points:
        inside = decode_fields(fields["touch"])
        fields["touch"] = _with(fields["touch"], {name: _with(inside[name], points[name]) for name in points})
    if link != url:
        fields["properties"] = _with(fields["properties"], {"url": link})
    return Raw(encode(fields))


def scrub(address: str, *, is_query: bool = False) -> str:
    """An address, or a query alone, without secrets and e-mail addresses in its parameters.

    Also the user and password before the host of an address are removed.
    """
    if "=" not in address and not _may_hold_email(address):
        return address
    names = [before[-3:] for before in address.split("=")[:-1]]
    if (
        ENDINGS.isdisjoint(names)
        and not _may_hold_email(address)
        and ("%" not in address or ENCODED_NAME.search(address) is None)
    ):
        return address
    if not is_query:
        address = USERINFO.sub(r"\1", address)  # whole: parsers of addresses disagree about a host in brackets
    parts = SEPARATOR.split(address)  # parameters and separators in turn
    parameters = parts[::2]
    names = _plain([parameter.partition("=")[0] for parameter in parameters])
    # Only these are examined: there may be hundreds of parameters in each of thousands of addresses.
    may_hold = _may_hold_email(address)
    places = [
        n for n, name in enumerate(names) if name[-3:] in ENDINGS or (may_hold and _may_hold_email(parameters[n]))
    ]
    # In the answer to a sign-in `code` works like a password for a minute; elsewhere it is a voucher or a country.
    is_sign_in = STATE.search(address) is not None
    signs_left = MAX_EMAILS
    for place in places:
        name, parameter = names[place].strip(), parameters[place]  # some frameworks read `? token=` as well
        if name in TRACKING_NAMES or name.startswith("utm_") or not (place or is_query):
            continue
        spelled, _, value = parameter.partition("=")
        if value and (SECRET_NAME.fullmatch(name) or (is_sign_in and name == "code")):
            parameter = f"{spelled}={REMOVED}"
        if _may_hold_email(parameter):
            if signs_left >= 0:
                signs_left -= sum(map(parameter.count, AT_SIGNS))
            parameter = REMOVED if signs_left < 0 else _without_emails(parameter)
        parts[2 * place] = parameter
    return "".join(parts)


def _may_hold_email(text: str) -> bool:
    return "@" in text or "%40" in text or "%2540" in text


def _without_emails(text: str) -> str:
    """A text without e-mail addresses. It searches around each at sign: a search at every letter took 1 s for 1 MB."""
    parts: list[str] = []
    end = 0
    for sign in AT_SIGN.finditer(text):
        earliest = max(end, sign.start() - MAX_LOCAL_PART)
        before = BEFORE_LOCAL_PART.match(text, earliest, sign.start())
        start = before.end() if before else earliest
        domain = DOMAIN.match(text, sign.end())
        if domain and (start < sign.start() or 0 < end == sign.start()):  # the local part may have been removed already
            parts += (text[end:start], REMOVED)
            end = domain.end()
    return "".join(parts) + text[end:]


def _plain(names: list[str]) -> list[str]:
    """Names of parameters in lower case, decoded; a page that redirects may have encoded them twice.

    They are decoded together: one by one each took two microseconds.
    """
    text = "&".join(names)
    for _ in range(MAX_ENCODINGS):
        if "%" not in text and "+" not in text:
            break
        text = unquote_plus(text.replace("%26", "+"))  # an encoded `&` ends no name
    return text.lower().split("&")


def _changes(addresses: tuple[str, ...], fields: tuple[str, ...]) -> Mapping[str, str]:
    """The addresses of a page or an arrival that must change before they are stored, by the name of their field."""
    return (_remembered if sum(map(len, addresses)) <= MAX_REMEMBERED else _scrubbed_fields)(addresses, fields)


def _scrubbed_fields(addresses: tuple[str, ...], fields: tuple[str, ...]) -> Mapping[str, str]:
    return {
        name: clean
        for name, address in zip(fields, addresses, strict=True)
        if (clean := scrub(address, is_query=name == "query")) != address
    }


_remembered = lru_cache(maxsize=4096)(_scrubbed_fields)


def _with(raw: Raw, changes: Mapping[str, str | Raw]) -> Raw:
    """A JSON object with some values replaced and the others untouched."""
    return Raw(encode({**decode_fields(raw), **changes}))
