"""E-mail addresses and phone numbers in a normal form, for comparison."""

import re
from functools import lru_cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, ValidationResult

MAX_EMAIL_LENGTH = 254  # RFC 5321 with its erratum 1690
# Loose on purpose: it refuses undeliverable addresses (no @, no dot, spaces), not unusual ones.
EMAIL_PATTERN = re.compile(
    r"[^@\s<>(),;:\"\\\x00-\x1f]{1,64}@[^@\s<>(),;:\"\\\x00-\x1f.]+(\.[^@\s<>(),;:\"\\\x00-\x1f.]+)+"
)

MAX_PHONE_LENGTH = 64
BRAZIL = 55
# A Brazilian mobile: two digits of area code, then 9 and eight digits. Until 2016 the 9 was missing. Old lists and some
# WhatsApp accounts still have such numbers, whose eight digits begin with 6 to 9, without it. The form without the 9 is
# not built where it would be a fixed-line number (2 to 5).
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

    The local part is lower-cased too: by the standard it is case-sensitive, but mail systems in use ignore the
    case.
    """
    email = text.strip().lower()
    if len(email) > MAX_EMAIL_LENGTH or not EMAIL_PATTERN.fullmatch(email):
        return ""
    return email


@lru_cache(maxsize=4096)  # parsing takes 60 µs, and a visitor's number is repeated in each of their events
def normalize_phone(text: str, region: str) -> Phone:
    """The number in `text`, read as in `region` (ISO 3166), without extension; `NO_PHONE` if it cannot be one.

    Foreign numbers that are possible but not assigned are kept: numbering plans change faster than software.
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


def _brazilian(parsed: PhoneNumber) -> Phone:
    national = phonenumbers.national_significant_number(parsed)
    mobile = BRAZILIAN_MOBILE.fullmatch(national) or BRAZILIAN_MOBILE_BEFORE_2016.fullmatch(national)
    if mobile is not None:
        area, subscriber = mobile.groups()
        with_nine, without_nine = f"+{BRAZIL}{area}9{subscriber}", f"+{BRAZIL}{area}{subscriber}"
        return Phone(with_nine, (with_nine, without_nine))
    if not phonenumbers.is_valid_number(
        parsed
    ):  # valid, not merely possible: eight or nine digits without area code are possible as well
        return NO_PHONE
    return Phone(phonenumbers.format_number(parsed, PhoneNumberFormat.E164))
