"""Whose a value in a product is: ours to change where we wrote it, another's where we did not."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.destination import Order
from reverse_etl.property_types import PropertyType, options_after, several

Values = Mapping[str, Any]


LABELS = "labels"
"""The kind of the ledger's record of the labels that we put on a record, and of that record's id."""
OPTIONS = "options"
"""The kind of the ledger's record of the options that we ticked in fields of several, and of that record's id."""


@dataclass(frozen=True)
class Changes:
    """What to write, None to take a value off; and what was not written, because a person wrote something else."""

    values: dict[str, Any]
    left: tuple[str, ...]


@dataclass(frozen=True)
class LabelChanges:
    """The labels that a record is to have, None when nothing changes; which are ours; and those that stay off."""

    after: list[str] | None
    ours: tuple[str, ...]
    left_off: tuple[str, ...]

    @property
    def sentences(self) -> list[str]:
        """What was left as a person has it."""
        return [f"Label {label} was taken off by a person and stays off." for label in self.left_off]

    def kept(self, remote_id: str) -> str:
        """As `label_changes` reads it, '' for none."""
        return " ".join((remote_id, *self.ours)) if self.ours else ""


def label_changes(
    wanted: Sequence[str], held: Sequence[str], earlier: Iterable[Sequence[str]], kept: str, remote_id: str
) -> LabelChanges:
    """Ours among the labels that the record has. `kept` is what the ledger keeps of it, '' for nothing.

    What `earlier` deliveries wanted and this one does not is taken off. One that we put on this record and that is gone
    was taken off by a person: it stays off until a state of the lead has been without it. All others stay.
    """
    known_as, *known = kept.split() or [""]
    written = set(known) if known_as == remote_id else set()
    stale = {label for labels in earlier for label in labels} - set(wanted)
    left_off = tuple(label for label in wanted if label in written and label not in held)
    after = [label for label in held if label not in stale]
    added = [label for label in wanted if label not in after and label not in left_off]
    ours = tuple(sorted((written & set(wanted)) | set(added)))
    return LabelChanges(after + added if set(after + added) != set(held) else None, ours, left_off)


class TickedOptions:
    """The options that we ticked on a record, by field: one of them that is gone was unticked by a person.

    It stays off until a state of the lead has been without it. Options of others stay.
    `records` is the ledger's of the lead; `record_id` the product's, '' for a record to be made.
    """

    def __init__(self, records: Mapping[str, str], record_id: str) -> None:
        known_as, known = json.loads(records.get(OPTIONS) or '["", {}]')
        self._before: Mapping[str, list[str]] = known if known_as == record_id else {}
        self._after: dict[str, list[str]] = {}
        self._changed: set[str] = set()
        self.sentences: list[str] = []

    def change(self, name: str, type_: PropertyType, held: Any, wanted: Any, earlier: Sequence[Any]) -> Any:
        """The field's new value, None when it stays as it is. All values are in the product's writing."""
        there, known, meant = {str(each) for each in several(held)}, set(self._before.get(name, ())), several(wanted)
        left_off = [each for each in meant if str(each) in known and str(each) not in there]
        self.sentences += [f"Option {each} of {name} was taken off by a person and stays off." for each in left_off]
        added = {str(each) for each in meant} - there - known
        self._after[name] = sorted(added | (known & {str(each) for each in meant}))
        ticked = [each for each in meant if each not in left_off]
        after = options_after(type_, held, type_.written(ticked) if ticked else None, earlier)
        if after is not None:
            self._changed.add(name)
        return after

    def certain(self, wanted: Values, types: Mapping[str, PropertyType]) -> dict[str, Any]:
        """The wanted values without options that a person may have unticked since we ticked them."""
        values = dict(wanted)
        for name in self._before.keys() & wanted.keys():
            left = [each for each in several(wanted[name]) if str(each) not in self._before[name]]
            values[name] = types[name].written(left) if left else None
        return {name: value for name, value in values.items() if value is not None}

    async def remember(self, order: Order, record_id: str, written: Collection[str]) -> None:
        """Keep it. A field whose change is not among the `written` ones is as it was before."""
        missed = self._changed.difference(written)
        after = {name: self._before.get(name, []) if name in missed else ours for name, ours in self._after.items()}
        ticked = {name: ours for name, ours in after.items() if ours}
        kept = json.dumps([record_id, ticked], ensure_ascii=False, sort_keys=True) if ticked else ""
        if kept != order.history.records.get(OPTIONS, ""):
            await order.remember(OPTIONS, kept)


def changes(
    wanted: Values,
    held: Values,
    earlier: Sequence[Values],
    *,
    own: Iterable[str],
    is_same: Callable[[str, Any, Any], bool],
    is_free: Callable[[str], bool],
) -> Changes:
    """Compare the wanted values with those that the record holds.

    A property of `own` follows the lead, and what `earlier` deliveries wrote there is taken off when it is no longer
    wanted. Any other is written where it `is_free`, as an empty one, or holds a value of `earlier`.
    `is_same(name, one, other)` compares by the property's type.
    """
    ours = set(own)
    values: dict[str, Any] = {}
    left: list[str] = []
    for name in dict.fromkeys([*wanted, *(name for sent in earlier for name in sent)]):
        if is_same(name, held.get(name), wanted.get(name)):
            continue
        was_sent = any(name in sent and is_same(name, held.get(name), sent[name]) for sent in earlier)
        if name not in wanted:
            values.update({name: None} if name in ours and was_sent else {})
        elif name in ours or was_sent or is_free(name):
            values[name] = wanted[name]
        else:
            left.append(name)
    return Changes(values, tuple(left))
