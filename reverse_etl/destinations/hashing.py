"""What identifies a person to an ad platform: normalised as that platform documents it, then SHA-256 in hex.

A wrong form is accepted and matches nobody, so each platform has its own rules. What normalises to nothing is left out;
a value that is a SHA-256 already is passed in lower case, and not hashed again.

- Meta: developers.facebook.com, Conversions API, "Customer Information Parameters"
- Google: developers.google.com/data-manager, "Format user data"
- OpenAI: developers.openai.com/ads/conversions-api; phone numbers are not sent there in any form
"""

import hashlib
import re
from collections.abc import Callable

from echolead.normalize import normalize_email

SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# E.164: no country code begins with 0.
E164 = re.compile(r"\+[1-9]\d{6,14}")
GMAIL = re.compile(r"(.+)@(gmail\.com|googlemail\.com)")


def hashed(value: str, normalise: Callable[[str], str]) -> str:
    """The hex SHA-256 of the normalised value; empty when nothing is left of it."""
    if SHA256.fullmatch(value.strip()):
        return value.strip().lower()
    normal = normalise(value)
    return hashlib.sha256(normal.encode(errors="replace")).hexdigest() if normal else ""


def meta_phone(phone: str) -> str:
    """Digits alone, the country code first, without leading zeros: 5511987654321."""
    digits = re.sub(r"\D", "", phone).lstrip("0")
    return digits if E164.fullmatch(f"+{digits}") else ""


def meta_name(name: str) -> str:
    """Lower case without punctuation, digits and blanks; letters with accents stay as they are (UTF-8)."""
    return "".join(letter for letter in name.lower() if letter.isalpha())


def google_email(email: str) -> str:
    """Trimmed, lower case; of Gmail's addresses the dots before the @ are left out."""
    email = normalize_email(email)
    gmail = GMAIL.fullmatch(email)
    return f"{gmail[1].replace('.', '')}@{gmail[2]}" if gmail else email


def google_phone(phone: str) -> str:
    """E.164 with its plus sign: +5511987654321."""
    return phone if E164.fullmatch(phone) else ""


def as_it_is(value: str) -> str:
    """An id of ours, which has one form only."""
    return value.strip()
