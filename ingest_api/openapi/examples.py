"""Examples of JSON bodies, made of the examples that the fields of their schemas have."""

from collections.abc import Mapping
from typing import Any

MOMENT = "2026-03-10T23:30:00-03:00"


class NoExample(Exception):
    """A field that must be given has no example; the message names it."""


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """A value of a schema; `schemas` are those that a `$ref` may name. Raises `NoExample`.

    A field that may be left out is left out unless it has an example or a default of its own.
    """
    match schema:
        case {"examples": [first, *_]} | {"enum": [first, *_]} | {"const": first}:
            return first
        case {"$ref": name}:
            return example_of(schemas[name.rpartition("/")[2]], schemas)
        case {"type": "array", "items": items}:
            return [example_of(items, schemas)]
        case {"properties": _}:
            return _object(schema, schemas)
        case {"format": "date-time"}:
            return MOMENT
        case {"type": "boolean"}:
            return True
    raise NoExample(str(schema.get("title", schema)))


def _object(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    required = set(schema.get("required", ()))
    found: dict[str, Any] = {}
    for name, field in schema["properties"].items():
        if name in required or field.get("examples"):
            found[name] = example_of(field, schemas)
        elif field.get("default"):
            found[name] = field["default"]
    return found
