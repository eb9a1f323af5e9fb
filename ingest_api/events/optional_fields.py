"""Optional fields of an event as servers and no-code tools write them: null for absent, `[]` for an empty object, a
number for its digits."""

import re
from functools import cache
from typing import Any

from msgspec import Raw, inspect

from echolead.events import Event, decode_fields, encode

NUMBER = re.compile(rb"-?[0-9].*", re.DOTALL)
EMPTY_LIST = b"[]"
"""What PHP writes for an array without entries, also where those have names."""
WHOLE_NUMBER = re.compile(rb"-?[0-9]+")


def with_text_fields(raw: Raw) -> Raw:
    """The JSON of an event without optional fields that are null, or an empty list for an object, and with numbers in
    optional text fields as text.

    Required fields, `properties` and fields that the contract does not name stay as they are, byte by byte. Raises
    `msgspec.MsgspecError` for what is no object.
    """
    return _without_nulls(raw, _fields(Event))


@cache
def _fields(contract: Any) -> dict[str, inspect.Field]:
    description: Any = inspect.type_info(contract)
    return {field.encode_name: field for field in description.fields}


def _without_nulls(raw: Raw, contract: dict[str, inspect.Field]) -> Raw:
    """An object of the contract with its optional fields as they should be; `raw` itself if all are."""
    given = decode_fields(raw)
    wanted: dict[str, Raw] = {}
    for name, value in given.items():
        field = contract.get(name)
        if field is None or (field.required and not isinstance(field.type, inspect.StructType)):
            wanted[name] = value
        elif bytes(value) != b"null" and not (bytes(value) == EMPTY_LIST and _is_object(field.type)):
            wanted[name] = _as_said(value, field.type)
    return raw if wanted == given else Raw(encode(wanted))


def _is_object(kind: inspect.Type) -> bool:
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return any(isinstance(each, inspect.StructType | inspect.DictType) for each in kinds)


def _as_said(value: Raw, kind: inspect.Type) -> Raw:
    """The value of an optional field, as the type in the contract has it, if it can be read as that."""
    content = bytes(value)
    for each in kind.types if isinstance(kind, inspect.UnionType) else (kind,):
        if isinstance(each, inspect.StrType) and NUMBER.fullmatch(content):
            return Raw(encode(_digits(content)))
        if isinstance(each, inspect.StructType) and content.startswith(b"{"):
            return _without_nulls(value, _fields(each.cls))
        if isinstance(each, inspect.DictType) and content.startswith(b"{"):
            return _entries_without_nulls(value, each.value_type)
    return value


def _entries_without_nulls(value: Raw, kind: inspect.Type) -> Raw:
    """A map with its values as their type has them; one of anything (`properties`) stays as it was sent."""
    if isinstance(kind, inspect.AnyType):
        return value
    given = decode_fields(value)
    return Raw(encode({name: _as_said(each, kind) for name, each in given.items() if bytes(each) != b"null"}))


def _digits(number: bytes) -> str:
    """A JSON number as text: `5511987654321` as it is, `5511987654321.0` and `5.511987654321e12` like it."""
    if WHOLE_NUMBER.fullmatch(number):
        return number.decode()
    value = float(number)
    return str(int(value)) if value.is_integer() else number.decode()
