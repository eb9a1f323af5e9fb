"""Whether an export of the audit log is whole, by its hashes alone."""

import hashlib
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class ExportVerdict:
    """How many entries an export has, the hash of the last one, and the first thing that is wrong ('': nothing)."""

    entries: int
    last_hash: str
    problem: str = ""


def verified(export: str) -> ExportVerdict:
    """Check JSON lines of `position`, `line` and `hash` (docs/reference/control-api.md).

    Each hash is SHA-256 of the hash before, as bytes, and of the line in UTF-8.
    """
    last = b""
    count = 0
    for text in export.splitlines():
        entry = json.loads(text)
        count += 1
        if entry["position"] != count:
            return ExportVerdict(count, last.hex(), f"{count}")
        last = hashlib.sha256(last + entry["line"].encode()).digest()
        if last.hex() != entry["hash"]:
            return ExportVerdict(count, last.hex(), f"{count}: {entry['line']}")
    return ExportVerdict(count, last.hex())
