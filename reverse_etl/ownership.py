"""Whose a value in a product is: ours to change where we wrote it, another's where we did not."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Changes:
    """What to write, None to take a value off; and what was not written, because a person wrote something else."""

    values: dict[str, Any]
    left: tuple[str, ...]


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
