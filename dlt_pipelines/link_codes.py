"""The code that a WhatsApp link of the script puts into a visitor's message (tracking/src/features/clicks.js)."""

import re
import unicodedata
from typing import Any, Final

FIELD: Final = "link_code"
"""Name of a message's field with the code. Chatwoot sends no field of this name."""
MAX_CHARACTERS: Final = 65_536
"""Longest text that WhatsApp sends; of a longer one the rest is not searched."""

# Nothing of a word, of an address or of a number may be on either side. `_` is WhatsApp's sign for italics.
BEFORE, AFTER = r"(?<![^\W_])(?<![/&=?#.-])", r"(?![^\W_])"
CODE = r"([0-9a-f]{8})"
# With brackets and #, as the script writes it, any code counts. With one of them alone it needs a letter and a digit:
# `#20241231` is a date, `[12345678]` a number.
MIXED = r"(?=[0-9]*[a-f])(?=[a-f]*[0-9])"
WRITTEN: Final = re.compile(
    rf"\[\s*#\s*{CODE}\s*\]|{BEFORE}#\s?{MIXED}{CODE}{AFTER}|\[\s*{MIXED}{CODE}\s*\]", re.IGNORECASE
)


def link_code(text: str) -> str:
    """The first code in a text, in lower case; '' for a text without one.

    Read are `[#1a2b3c4d]`, and what is left when a person deletes the brackets or the #. Case, invisible characters
    and full-width forms do not matter.
    """
    plain = unicodedata.normalize("NFKC", text[:MAX_CHARACTERS])
    visible = "".join(character for character in plain if unicodedata.category(character) != "Cf")
    found = WRITTEN.search(visible)
    return next(filter(None, found.groups())).lower() if found else ""


def code_of_message(message: Any) -> str:
    """The code in a message that a customer wrote, as Chatwoot's API (`message_type` 0) or a webhook has it, or ''."""
    if not isinstance(message, dict) or message.get("message_type") not in (0, "incoming"):
        return ""
    text = message.get("content")
    return link_code(text) if isinstance(text, str) else ""
