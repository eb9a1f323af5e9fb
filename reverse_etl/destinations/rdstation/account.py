"""The account: its custom fields, what `echolead destination test` says of them, and what `setup` makes."""

from collections.abc import Mapping
from typing import Any

from reverse_etl.calls import Calls
from reverse_etl.destination import Finding
from reverse_etl.destinations.rdstation.fields import CUSTOM, RECORD, definition, names_to_try, resolved, types_of
from reverse_etl.errors import Rejected
from reverse_etl.mapping import PropertyMap, Rule

PATH = "platform/contacts/fields"


async def fields_of(calls: Calls) -> list[Mapping[str, Any]]:
    """The account's fields, RD Station's own and custom ones."""
    answer = await calls.ask("list fields", "GET", PATH)
    return list(answer["fields"])


async def test(calls: Calls, mapping: PropertyMap) -> list[Finding]:
    """How each mapped field stands; changes nothing."""
    types = types_of(await fields_of(calls))
    made_by_setup = [name for name in mapping.records[RECORD] if name.startswith(CUSTOM)]
    return resolved(mapping, types).findings(RECORD, types, made_by_setup=made_by_setup)


async def setup(calls: Calls, mapping: PropertyMap, *, is_dry_run: bool) -> list[Finding]:
    """Make the custom fields that are missing, under a name that RD does not keep for itself."""
    there = set(types_of(await fields_of(calls)))
    findings = []
    for name, rule in mapping.records[RECORD].items():
        held = next((each for each in names_to_try(name) if each in there), None)
        if held is not None or not name.startswith(CUSTOM):
            findings.append(Finding(held or name, "ok" if held else "wrong", _instead(name, held)))
        elif is_dry_run:
            free = names_to_try(name)[0]
            findings.append(Finding(free, "missing", _instead(name, free)))
        else:
            findings.append(await _make(calls, name, definition_of=rule))
    return findings


async def _make(calls: Calls, name: str, *, definition_of: Rule) -> Finding:
    """Try the free names in turn: RD keeps more for itself than its page says."""
    said = ""
    for free in names_to_try(name):
        try:
            await calls.ask("make field", "POST", PATH, body=definition(free, definition_of))
        except Rejected as refused:
            said = str(refused)
        else:
            return Finding(free, "made", _instead(name, free))
    return Finding(name, "wrong", said)


def _instead(name: str, held: str | None) -> str:
    if held is None:
        return "RD Station has no such field"
    return "" if held == name else f"in place of {name}, which RD Station keeps for itself or has otherwise"
