"""The JSON Schema of a rule set, for editors and for the first of the checks."""

from typing import Any

MAX_RULES = 200
MAX_ACTIONS = 20
MAX_VALUES = 200
MAX_REGEX_CHARACTERS = 200
PRIORITIES = ("urgent", "high", "medium", "low")

VISIBLE = r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$"
SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean"], "maxLength": 200}
TEXT: dict[str, Any] = {"type": ["string", "integer"], "minLength": 1, "maxLength": 200}
NUMBER: dict[str, Any] = {"type": "number", "minimum": -1e15, "maximum": 1e15}
DAYS: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": 3650}
FACT: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 300}
CONDITION: dict[str, Any] = {"$ref": "#/$defs/condition"}


def _name(most: int = 64) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": most, "pattern": VISIBLE}


def _list(of: dict[str, Any], most: int = MAX_VALUES) -> dict[str, Any]:
    return {"type": "array", "items": of, "minItems": 1, "maxItems": most}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    """What it says for objects; nothing for values of other types, so that both forms of an action have one schema."""
    return {"properties": properties, "required": required, "additionalProperties": False}


OPERATOR_VALUES: dict[str, Any] = {
    "eq": SCALAR,
    "ne": SCALAR,
    "in": _list(SCALAR),
    "contains": TEXT,
    "starts_with": TEXT,
    "regex": {"type": "string", "minLength": 1, "maxLength": MAX_REGEX_CHARACTERS},
    "gt": NUMBER,
    "gte": NUMBER,
    "lt": NUMBER,
    "lte": NUMBER,
    "between": {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2},
    "is_set": {"type": "boolean"},
    "within_days": DAYS,
    "count": {
        "type": "object",
        **_object(["at_least"], at_least={"type": "integer", "minimum": 1, "maximum": 1000}, days=DAYS),
    },
}

POINTS = {"type": "integer", "minimum": -1000, "maximum": 1000}
ACTIONS: dict[str, Any] = {
    "points": {
        "type": ["integer", "object"],
        "minimum": POINTS["minimum"],
        "maximum": POINTS["maximum"],
        **_object(
            ["value"],
            value=POINTS,
            half_life_days={"type": "integer", "minimum": 1, "maximum": 365},
            since=FACT,
            each=FACT,
            at_most={"type": "integer", "minimum": 1, "maximum": 10000},
        ),
    },
    "segment": _name(),
    # As Chatwoot accepts the title of a label.
    "label": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-z0-9_-]+$"},
    "stage": _name(),
    "priority": {"enum": list(PRIORITIES)},
    "route": {
        "type": "object",
        **_object(
            [],
            inbox=_name(120),
            team=_name(120),
            agent=_name(120),
            agents=_list(
                {
                    "type": "object",
                    **_object(["agent"], agent=_name(120), weight={"type": "integer", "minimum": 1, "maximum": 100}),
                },
                50,
            ),
            fallback_team=_name(120),
            keep_owner={"type": "boolean"},
        ),
    },
    "send_to": {
        "type": ["array", "object"],
        "items": _name(120),
        "minItems": 1,
        "maxItems": 20,
        **_object(["destinations"], destinations=_list(_name(120), 20), each_time={"type": "boolean"}),
    },
    "withhold_from": _list(_name(120), 20),
}

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "EchoLead rules",
    "description": "Rules over a tenant's leads: what must hold, and what follows.",
    "type": "object",
    **_object(
        ["rules"],
        rules={
            "type": "array",
            "maxItems": MAX_RULES,
            "items": {
                "type": "object",
                **_object(
                    ["id", "then"],
                    id={"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-z0-9][a-z0-9-]*$"},
                    name=_name(120),
                    when=CONDITION,
                    then=_list({"$ref": "#/$defs/action"}, MAX_ACTIONS),
                ),
            },
        },
    ),
    "$defs": {
        "condition": {
            "type": "object",
            "minProperties": 1,
            **_object(
                [], all=_list(CONDITION), any=_list(CONDITION), fact=FACT, **OPERATOR_VALUES, **{"not": CONDITION}
            ),
        },
        "action": {"type": "object", "minProperties": 1, "maxProperties": 1, **_object([], **ACTIONS)},
    },
}
