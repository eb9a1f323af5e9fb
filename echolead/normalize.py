"""E-mail addresses and phone numbers in a normal form, for comparison."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice
from typing import NamedTuple
from urllib.parse import unquote

import idna
import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, ValidationResult

from echolead.events import NormalizedUser, StatedUser

# What people paste with a text and nobody sees: the characters that Unicode calls default ignorable (zero width, soft
# hyphen, direction marks, variation selectors …), and the blanks that look like nothing.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)

MAX_EMAIL_LENGTH = 254  # RFC 5321 with its erratum 1690
MAX_EMAIL_TEXT = 1024  # with a name and a remark
# What a list, a sentence or a link puts around an address: none begins with these, and no domain ends with the others.
BEFORE_EMAIL = re.compile("(?:[\\s.,;:<>()\\[\\]{}\"'`*|\u00b7\u2022\u00ab\u00bb\u2018-\u201f]|mailto:|e-?mail:)+")
AFTER_EMAIL = " \t\r\n.,;:<>()[]{}\"'`*|\u00b7\u2022\u00ab\u00bb\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f!?/-_"
LINK_QUERY = re.compile(r"\?[^@]*$")
# As mail programs write an address with a name (RFC 5322): `Ana <ana@example.com>`, `ana@example.com (Ana)`.
NAMED_EMAIL = re.compile(r"[^<>@]*<([^<>]+)>[^<>@]*|([^()]+)\([^()@]*\)")
# Loose on purpose: it refuses undeliverable addresses (no @, no dot, spaces), not unusual ones.
EMAIL_PATTERN = re.compile(
    r"[^@\s<>(),;:\"\\\x00-\x1f]{1,64}"
    r"@[^@\s<>(),;:\"\\\x00-\x1f.!?/%#&=*{}\[\]]+(\.[^@\s<>(),;:\"\\\x00-\x1f.!?/%#&=*{}\[\]]+)+"
)

MAX_PHONE_LENGTH = 128  # two numbers with what people write about them
MAX_PHONE_READINGS = 8  # each takes up to 60 µs, and a sender may choose a text that has hundreds
MIN_PHONE_DIGITS, MAX_PHONE_DIGITS = 8, 19  # E.164 has up to 15, and a prefix of up to 4 may stand before
# Digits that may be a number, or several: anything else ends one, letters too, and a `+` begins another.
PHONE_RUN = re.compile(r"\+?[\s(\[]*\d[\d\s()\[\]./\\_~\u00b7\u2010-\u2015\u2022\u2212-]*")
PHONE_GROUP = re.compile(r"\d+")
MAX_EXTENSION_DIGITS = 5
# What programs make of a number that they took for one to calculate with: 5.511987654321E+12, 11987654321.0
CALCULATED = re.compile(r"(\d)[.,](\d+)e\+?(\d{1,2})|(\d{8,})[.,]0+", re.IGNORECASE)
BRAZIL = 55
# A Brazilian mobile: two digits of area code, then 9 and eight digits. Until 2016 the 9 was missing. Old lists and some
# WhatsApp accounts still have such numbers, whose eight digits begin with 6 to 9, without it. The form without the 9 is
# not built where it would be a fixed-line number (2 to 5).
BRAZILIAN_MOBILE = re.compile(r"([1-9][1-9])9([16-9][0-9]{7})")
BRAZILIAN_MOBILE_BEFORE_2016 = re.compile(r"([1-9][1-9])([6-9][0-9]{7})")
# People write 00 for + ; in Brazil's own dialling plan the two digits after 00 would be the carrier's.
INTERNATIONAL_PREFIX = re.compile(r"^00(?=[1-9])")
# Mexican numbers of mobiles had a 1 after the country code until 2019. WhatsApp accounts still have it.
MEXICO = 52
MEXICAN_NUMBER = re.compile(r"1?([2-9][0-9]{9})")


class Phone(NamedTuple):
    """`number` in E.164, and both ways to write it where a country's mobiles have two: a Brazilian one with and without
    the ninth digit, a Mexican one without and with a 1 after the country code."""

    number: str
    variants: tuple[str, ...] = ()


NO_PHONE = Phone("")


def _visible(text: str) -> str:
    """`text` in Unicode's form NFKC (composed accents, no full-width letters) without invisible characters."""
    return text if text.isascii() else unicodedata.normalize("NFKC", INVISIBLE.sub("", text))


def normalize_email(text: str) -> str:
    """`text` trimmed and lower-cased when it is an e-mail address, else an empty string.

    Invisible characters and what stands around the address are removed: punctuation, quotation marks, a name, a remark
    in brackets. Of a domain the letters count, `xn--` is decoded: browsers send either. The local part is lower-cased
    too: by the standard it is case-sensitive, but mail systems in use ignore the case.
    """
    if len(text) > MAX_EMAIL_TEXT:
        return ""
    email = _visible(_visible(text).lower()).strip()
    if "%" in email.rpartition("@")[2]:  # `ana%40example.com`, `ana@example.com%20`
        email = unquote(email)
    if (named := NAMED_EMAIL.fullmatch(email)) is not None:
        email = named[1] or named[2]
    if (before := BEFORE_EMAIL.match(email)) is not None:
        email = email[before.end() :]
    local, _, domain = LINK_QUERY.sub("", email).rstrip(AFTER_EMAIL).rpartition("@")
    email = f"{local}@{_readable_domain(domain)}"
    if len(email) > MAX_EMAIL_LENGTH or not EMAIL_PATTERN.fullmatch(email):
        return ""
    return email


def _readable_domain(domain: str) -> str:
    """A domain in letters, not in the ASCII form that some browsers give a field of type `email` (`xn--`)."""
    labels = domain.replace("\u3002", ".").split(".")
    return ".".join(map(_readable_label, labels)) if "xn--" in domain else ".".join(labels)


def _readable_label(label: str) -> str:
    try:
        return idna.decode(label) if label.startswith("xn--") else label
    except idna.IDNAError:
        return label


@lru_cache(maxsize=4096)  # parsing takes 60 µs, and a visitor's number is repeated in each of their events
def normalize_phone(text: str, region: str) -> Phone:
    """The first number in `text`, read as in `region` (ISO 3166); `NO_PHONE` when none can be one.

    Words, remarks, extensions and further numbers beside it are left out. Foreign numbers that are possible but not
    assigned are kept: numbering plans change faster than software.
    """
    if len(text) > MAX_PHONE_LENGTH:
        return NO_PHONE
    if (calculated := CALCULATED.fullmatch(text.strip())) is not None:
        text = _whole_number(calculated)
    readings = islice(chain.from_iterable(map(_readings, PHONE_RUN.findall(_visible(text)))), MAX_PHONE_READINGS)
    return next((phone for digits in readings if (phone := _phone(digits, region)).number), NO_PHONE)


def _readings(run: str) -> Iterator[str]:
    """The numbers, digits alone, that a run may begin with, likeliest first.

    A slash stands between two numbers, or within one (`11/98765-4321`). Two numbers without a slash are only looked for
    when what follows the first is long enough for a second: `11 98765-4321 0` is a mistyped number.
    """
    sign = "+" if run.startswith("+") else ""
    parts = ["".join(PHONE_GROUP.findall(part)) for part in re.split(r"[/\\]", run)]
    groups = PHONE_GROUP.findall(run)
    for start in range(len(parts)):
        for end in range(start + 1, len(parts) + 1):
            if _has_length(digits := "".join(parts[start:end])):
                yield sign + digits if start == 0 else digits
    for end in range(1, len(groups)):
        first, rest = "".join(groups[:end]), "".join(groups[end:])
        if _has_length(first) and len(rest) >= MIN_PHONE_DIGITS:
            yield sign + first

    number, _, remark = run.rpartition("(")
    if len("".join(PHONE_GROUP.findall(remark))) <= MAX_EXTENSION_DIGITS:
        yield sign + "".join(PHONE_GROUP.findall(number))


def _whole_number(calculated: re.Match[str]) -> str:
    """The digits of a number that a program calculated with, none where it has rounded them."""
    first, rest, exponent, whole = calculated.groups()
    if whole:
        return whole
    return first + rest if len(rest) == int(exponent) else ""


def _has_length(digits: str) -> bool:
    return MIN_PHONE_DIGITS <= len(digits) <= MAX_PHONE_DIGITS


def _phone(digits: str, region: str) -> Phone:
    """The number that the digits are, with the country code or without, or with it twice: a form's mask may have it."""
    try:
        parsed = phonenumbers.parse(INTERNATIONAL_PREFIX.sub("+", digits), region)
    except NumberParseException:
        return NO_PHONE
    if (phone := _known(parsed)).number:
        # 00 98765-4321 has no area code, and is in Iran for who takes 0098 for the way there.
        is_sure = not INTERNATIONAL_PREFIX.match(digits) or phonenumbers.is_valid_number(parsed)
        return phone if is_sure else NO_PHONE
    country, national = str(parsed.country_code), phonenumbers.national_significant_number(parsed)
    while national.startswith(country):
        national = national.removeprefix(country)
        shorter = _with_national(parsed, national)
        if shorter is not None and phonenumbers.is_valid_number(shorter):
            return _known(shorter)
    return NO_PHONE


def _with_national(number: PhoneNumber, national: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(f"+{number.country_code}{national}")
    except NumberParseException:
        return None


def _known(parsed: PhoneNumber) -> Phone:
    """A number that can be one, with both ways to write it; `NO_PHONE` otherwise."""
    if parsed.country_code == BRAZIL:
        return _brazilian(parsed)
    national = phonenumbers.national_significant_number(parsed)
    if parsed.country_code == MEXICO and (mexican := MEXICAN_NUMBER.fullmatch(national)) is not None:
        number = f"+{MEXICO}{mexican[1]}"
        return Phone(number, (number, f"+{MEXICO}1{mexican[1]}"))
    if phonenumbers.is_possible_number_with_reason(parsed) != ValidationResult.IS_POSSIBLE:
        return NO_PHONE
    return Phone(phonenumbers.format_number(parsed, PhoneNumberFormat.E164))


def normalized(user: StatedUser | None, region: str) -> NormalizedUser | None:
    """The e-mail address and phone number of `user` in the form in which they are compared; None without either."""
    if user is None or not (user.email or user.phone):
        return None
    phone = normalize_phone(user.phone, region)
    email = normalize_email(user.email)
    if not (email or phone.number):
        return None
    return NormalizedUser(email=email, phone=phone.number, phone_variants=list(phone.variants))


def _brazilian(parsed: PhoneNumber) -> Phone:
    national = phonenumbers.national_significant_number(parsed)
    mobile = BRAZILIAN_MOBILE.fullmatch(national) or BRAZILIAN_MOBILE_BEFORE_2016.fullmatch(national)
    if mobile is not None:
        area, subscriber = mobile.groups()
        with_nine, without_nine = f"+{BRAZIL}{area}9{subscriber}", f"+{BRAZIL}{area}{subscriber}"
        return Phone(with_nine, (with_nine, without_nine))
    # Valid, not merely possible: eight or nine digits without area code are possible as well.
    if not phonenumbers.is_valid_number(parsed):
        return NO_PHONE
    return Phone(phonenumbers.format_number(parsed, PhoneNumberFormat.E164))
