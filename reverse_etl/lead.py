"""A lead as a destination gets it: the payload of `activation.lead_deliveries`, typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

AttributeValue = str | int | float | bool


@dataclass(frozen=True)
class Lead:
    """One lead's wanted state. Empty text is an unknown, never an order to blank a field."""

    lead_id: str
    name: str = ""
    email: str = ""
    phone: str = ""  # E.164
    external_id: str = ""
    tracking_ids: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        """The lead in a delivery's payload; what the payload leaves out is unknown."""
        texts = {key: str(payload.get(key) or "") for key in ("lead_id", "name", "email", "phone", "external_id")}
        return cls(
            **texts,
            tracking_ids=tuple(payload.get("tracking_ids") or ()),
            labels=tuple(payload.get("labels") or ()),
            attributes={k: v for k, v in (payload.get("attributes") or {}).items() if v not in (None, "")},
        )


@dataclass(frozen=True)
class DeliveryHistory:
    """What we remember of a lead in a destination: its record's id, and every state tried there before, newest first.

    A field that holds what we sent is ours to change; any other was somebody's edit.
    """

    remote_id: str | None = None
    sent: tuple[Lead, ...] = ()


@dataclass(frozen=True)
class Delivered:
    """What a delivery did: the record's id, the fields it set, and sentences on what it left to others."""

    remote_id: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    conflicts: tuple[str, ...] = ()
