"""A person who is erased, as a destination that has their records gets it: ids and names of fields, and no value.

What is kept of such a delivery says nothing of the person either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from reverse_etl.calls import RecordedCall
from reverse_etl.errors import DeliveryFailed, Mismatch, Unavailable, Withheld

OUR_WORDS = (Mismatch, Unavailable, Withheld)
"""Failures whose sentence names records and fields at most."""


@dataclass(frozen=True)
class ErasedRecords:
    """What is kept of an erased person at one destination, until EchoLead's fields are taken off there.

    `leads` are the ids that the destination was given: of the lead, the leads that became part of it, and its browsers.
    `records` has the ids of the destination's records by kind, `conversations` by id what the ledger kept of each.
    `attributes` are the names of attributes that were sent, `labels` the labels.
    """

    leads: tuple[str, ...] = ()
    records: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    conversations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """What `as_json` gave."""
        lists = {name: tuple(stored.get(name) or ()) for name in ("leads", "attributes", "labels")}
        records = {kind: tuple(ids) for kind, ids in (stored.get("records") or {}).items()}
        return cls(**lists, records=records, conversations=dict(stored.get("conversations") or {}))

    def as_json(self) -> dict[str, Any]:
        """It as JSON."""
        records = {kind: list(ids) for kind, ids in self.records.items()}
        conversations = {each: dict(kept) for each, kept in self.conversations.items()}
        lists = {name: list(getattr(self, name)) for name in ("leads", "attributes", "labels")}
        return {**lists, "records": records, "conversations": conversations}

    def joined(self, other: "ErasedRecords") -> "ErasedRecords":
        """Both together: what was delivered while the first was being taken off is taken off as well."""
        kinds = [*self.records, *other.records]
        chats = dict.fromkeys((*self.conversations, *other.conversations))
        return ErasedRecords(
            leads=_each_once(self.leads, other.leads),
            records={kind: _each_once(self.records.get(kind, ()), other.records.get(kind, ())) for kind in kinds},
            conversations={
                each: {**self.conversations.get(each, {}), **other.conversations.get(each, {})} for each in chats
            },
            attributes=_each_once(self.attributes, other.attributes),
            labels=_each_once(self.labels, other.labels),
        )


def check_taken_back(left: Sequence[str]) -> None:
    """Raises `Mismatch`, with what is still there after it was taken off; nothing when that is nothing."""
    if left:
        raise Mismatch(f"Still there: {', '.join(left)}.")


def without_values(call: RecordedCall) -> RecordedCall:
    """A call as it is kept: what was called and what came of it, without request and answer."""
    return replace(call, request={}, response=None)


def without_words(error: DeliveryFailed, recorded: Sequence[RecordedCall]) -> DeliveryFailed:
    """The same failure, without the answer's own words, in which a product may repeat what it holds of the person."""
    call = recorded[-1] if recorded else None
    if call is None or call.response_status is None or isinstance(error, OUR_WORDS):
        return error
    error.args = (f"The call to {call.operation} was answered {call.response_status} ({type(error).__name__}).",)
    return error


def _each_once(some: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*some, *more)))
