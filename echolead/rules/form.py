"""The form of a rule set against its JSON Schema, with the place of each mistake and a sentence for it."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from echolead.rules.document import LocatedDocument, Path
from echolead.rules.errors import LocatedProblem
from echolead.rules.schema import SCHEMA

MAX_PROBLEMS = 20
MAX_ERRORS = 200
"""So many are looked at: a text that is no rule set at all has tens of thousands."""
VALIDATOR = Draft202012Validator(SCHEMA)

TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "keys with values",
}


def problems_of_form(document: LocatedDocument) -> list[LocatedProblem]:
    """What does not have the form of a rule set; the first `MAX_PROBLEMS` in the order of the text."""
    found = {
        document.problem(path, message)
        for error in islice(VALIDATOR.iter_errors(document.content), MAX_ERRORS)
        for path, message in _said(error)
    }
    return sorted(found)[:MAX_PROBLEMS]


def _said(error: ValidationError) -> Iterator[tuple[Path, str]]:
    path = tuple(error.absolute_path)
    wanted: Any = error.validator_value
    found: Any = error.instance
    if error.validator == "additionalProperties":
        schema: Any = error.schema
        for key in found.keys() - schema["properties"].keys():
            yield (*path, key), f"{key[:80]!r} is not known here: use {', '.join(schema['properties'])}."
    elif error.validator == "required":
        for key in wanted:
            if key not in found:
                yield path, f"{key} is missing."
    else:
        yield path, _SENTENCES[str(error.validator)](wanted)


def _types(wanted: Any) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    return f"Write {' or '.join(TYPES[name] for name in names)} here."


_PATTERNS = {
    "^[a-z0-9_-]+$": "A label has lower-case letters, digits, - and _ only.",
    "^[a-z0-9][a-z0-9-]*$": "An id has lower-case letters, digits and hyphens only, as in pagina-de-precos.",
}

_SENTENCES: dict[str, Callable[[Any], str]] = {
    "type": _types,
    "enum": lambda values: f"Write one of {', '.join(values)}.",
    "minLength": lambda _: "This is empty.",
    "maxLength": lambda most: f"Write at most {most} characters.",
    "minItems": lambda least: "This list is empty." if least == 1 else f"Give {least} values.",
    "maxItems": lambda most: f"Give at most {most}.",
    "minimum": lambda least: f"Write a number from {least:,} on.",
    "maximum": lambda most: f"Write a number up to {most:,}.",
    "minProperties": lambda _: "This is empty.",
    "maxProperties": lambda _: "An entry of then does one thing: begin the next one with a hyphen of its own.",
    "pattern": lambda pattern: _PATTERNS.get(pattern, "Use visible characters, without blanks at either end."),
}
