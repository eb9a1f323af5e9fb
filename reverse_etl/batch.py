"""Calls for several leads at once, of which each lead's attempts record its own part and no other lead's data."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from echolead.security import redact, redact_text
from reverse_etl.calls import ANSWER_KEPT_CHARACTERS, Calls
from reverse_etl.destination import Order

PartOfAnswer = Callable[[Any, int], Any]
"""What of an answer is the order's at this place."""


def by_place(answer: Any, place: int) -> Any:
    """The entry at the order's place in a list."""
    return answer[place] if isinstance(answer, list) and place < len(answer) else answer


async def ask_for(
    orders: Sequence[Order],
    parts: Sequence[Mapping[str, Any]],
    operation: str,
    method: str,
    path: str,
    *,
    own: PartOfAnswer = by_place,
    **asked: Any,
) -> Any:
    """Make one call for these orders, `asked` as of `Calls.ask`; `parts` is what of the request is recorded for each.

    Raises as `Calls.ask`.
    """
    known = [len(order.calls.recorded) for order in orders]
    answer: Any = None
    try:
        answer = await Calls.shared([order.calls for order in orders]).ask(operation, method, path, **asked)
    finally:
        for place, order in enumerate(orders):
            _keep_own(order.calls, known[place], parts[place], None if answer is None else own(answer, place))
    return answer


def _keep_own(calls: Calls, first: int, part: Mapping[str, Any], answered: Any) -> None:
    secrets = calls.connection.hidden
    for place in range(first, len(calls.recorded)):
        call = calls.recorded[place]
        request = {**call.request, "params": {}, "body": redact(dict(part), secrets)}
        response = call.response
        if call.outcome == "ok":
            response = redact_text(json.dumps(answered, ensure_ascii=False), secrets)[:ANSWER_KEPT_CHARACTERS]
        calls.recorded[place] = replace(call, request=request, response=response)
