"""The fields of a product's settings and secrets, made of the models that check them."""

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

import streamlit as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dashboards.acting import tenant_key
from dashboards.page import plain
from dashboards.texts import forms, t
from echolead.languages import NotReadable
from echolead.operational.destination_kinds import KINDS, PaceSettings

EXAMPLE = 1234


def settings_values(kind: str, present: Mapping[str, Any]) -> dict[str, Any]:
    """What the fields begin with, by name."""
    return {name: _beginning(field, present.get(name)) for name, field in _fields(kind).items()}


def settings_keys(kind: str, key: str) -> dict[str, str]:
    """The keys of the fields, by name."""
    return {name: tenant_key(f"{key} {name}") for name in _fields(kind)}


def settings_fields(kind: str, keys: Mapping[str, str]) -> dict[str, Any]:
    """Show the fields; the values typed, by name, as they were typed. The session has what they begin with."""
    return {name: _field(name, field, keys[name]) for name, field in _fields(kind).items()}


def secret_fields(kind: str, key: str) -> dict[str, str]:
    """Show the fields of all secrets; they are empty whatever is stored. The values typed, by name."""
    found = {
        name: st.text_input(
            _label(name, field), type="password", key=tenant_key(f"{key} {name}"), autocomplete="new-password"
        )
        for name, field in KINDS[kind].secrets.model_fields.items()
    }
    return {name: value.strip() for name, value in found.items() if value.strip()}


def changed(kind: str, typed: Mapping[str, Any], present: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The typed values that differ from the present ones, in their types, and what cannot be read, as sentences.

    A number that is not written as in the page's language is asked back and never guessed.
    """
    fields = _fields(kind)
    values: dict[str, Any] = {}
    problems = []
    for name, text in typed.items():
        try:
            value = _read(fields[name], text)
        except NotReadable as error:
            problems.append(t("not_a_number", field=name, typed=error.typed, example=EXAMPLE))
            continue
        before = present.get(name, fields[name].get_default())
        if value != before and not (value is None and before in (None, "")):
            values[name] = "" if value is None else value
    return values, problems


def lacking(model: type[BaseModel], given: Mapping[str, Any]) -> list[str]:
    """Sentences that name the fields that have no value and no default."""
    return [t("left_empty", field=name) for name, field in model.model_fields.items()
            if field.is_required() and given.get(name) in (None, "")]  # fmt: skip


def show_problems(problems: list[str]) -> None:
    """What is to be corrected, in one place."""
    for each in problems:
        st.error(plain(each), icon=":material/error:")


def _fields(kind: str) -> dict[str, FieldInfo]:
    return {**KINDS[kind].configuration.model_fields, **PaceSettings.model_fields}


def _beginning(field: FieldInfo, present: Any) -> Any:
    """What a field shows of a stored value, or of its default."""
    value = present if present is not None else field.get_default()
    if field.annotation is bool:
        return bool(value)
    if get_origin(field.annotation) is Literal:
        return value
    is_known = present is not None or (value is not None and not field.is_required())
    return _written(value) if is_known else ""


def _field(name: str, field: FieldInfo, key: str) -> Any:
    if field.annotation is bool:
        return st.checkbox(_label(name, field), key=key)
    if get_origin(field.annotation) is Literal:
        return st.selectbox(_label(name, field), list(get_args(field.annotation)), key=key)
    return st.text_input(_label(name, field), key=key)


def _label(name: str, field: FieldInfo) -> str:
    return f"{name} *" if field.is_required() else name


def _written(value: Any) -> str:
    if isinstance(value, float):
        return forms().number(value, 2)
    return str(value)


def _is_number(field: FieldInfo) -> bool:
    kinds = {field.annotation, *get_args(field.annotation)}
    return bool(kinds & {int, float})


def _read(field: FieldInfo, typed: Any) -> Any:
    """The value in its type; None where nothing was typed."""
    if not isinstance(typed, str):
        return typed
    text = typed.strip()
    if not text:
        return None if field.is_required() or _is_number(field) else ""
    if not _is_number(field):
        return text
    number = forms().read_number(text)
    if float in {field.annotation, *get_args(field.annotation)}:
        return float(number)
    if number != int(number):
        raise NotReadable(typed, str(EXAMPLE))
    return int(number)
