"""E-mail addresses and phone numbers in the one form in which two of them can be compared."""

import re
from functools import lru_cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, ValidationResult

from echolead.events import NormalizedUser, StatedUser

MAX_EMAIL_LENGTH = 254  # RFC 5321 with its erratum 1690
# Loose on purpose: it keeps out what cannot be delivered to (no @, no dot, spaces), not what looks unusual.
EMAIL_PATTERN = re.compile(
    r"[^@\s<>(),;:\"\\\x00-\x1f]{1,64}@[^@\s<>(),;:\"\\\x00-\x1f.]+(\.[^@\s<>(),;:\"\\\x00-\x1f.]+)+"
)

MAX_PHONE_LENGTH = 64
BRAZIL = 55
# A Brazilian mobile: two digits of area code, then 9 and eight digits. Until 2016 the 9 was missing, and old lists as
# well as some WhatsApp accounts still name such a number, whose eight digits begin with 6 to 9, without it. The form
# without the 9 is not built where it would be somebody's fixed line (2 to 5).
BRAZILIAN_MOBILE = re.compile(r"([1-9][1-9])9([16-9][0-9]{7})")
BRAZILIAN_MOBILE_BEFORE_2016 = re.compile(r"([1-9][1-9])([6-9][0-9]{7})")
# People write 00 for + ; in Brazil's own dialling plan the two digits after 00 would be the carrier's.
INTERNATIONAL_PREFIX = re.compile(r"^\s*00(?=\s*[1-9])")
EXTENSION = re.compile(r"\s*\b(ramal|ext|r)\b\.?:?\s*[0-9]{1,6}\s*$", re.IGNORECASE)


class Phone(NamedTuple):
    """`number` in E.164, and for a Brazilian mobile both ways to write it, with and without the ninth digit."""

    number: str
    variants: tuple[str, ...] = ()


NO_PHONE = Phone("")


def normalize_email(text: str) -> str:
    """`text` trimmed and lower-cased when it is an e-mail address, else an empty string.

    The local part is lower-cased too: in law it is case-sensitive, in the mail systems people use it is not.
    """
    email = text.strip().lower()
    if len(email) > MAX_EMAIL_LENGTH or not EMAIL_PATTERN.fullmatch(email):
        return ""
    return email


@lru_cache(maxsize=4096)  # parsing takes 60 µs, and a visitor's number comes again with every event of theirs
def normalize_phone(text: str, region: str) -> Phone:
    """`text` as people in `region` (ISO 3166) write numbers, without extension; `NO_PHONE` when it cannot be one.

    Abroad a number that is possible but not assigned is kept: numbering plans change faster than software is updated.
    """
    if len(text) > MAX_PHONE_LENGTH:
        return NO_PHONE
    try:
        parsed = phonenumbers.parse(INTERNATIONAL_PREFIX.sub("+", EXTENSION.sub("", text)), region)
    except NumberParseException:
        return NO_PHONE
    parsed.extension = None
    if parsed.country_code == BRAZIL:
        return _brazilian(parsed)
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
    if not phonenumbers.is_valid_number(parsed):  # not merely possible: eight or nine digits without area code are too
        return NO_PHONE
    return Phone(phonenumbers.format_number(parsed, PhoneNumberFormat.E164))
