"""Answers of the demo HubSpot: batches, row by row, and errors."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from starlette.responses import JSONResponse, Response

from echolead.demo.hubspot.definitions import Exists, Row
from echolead.demo.hubspot.store import Conflict, Missing
from echolead.demo.hubspot.values import RefusedValue

REFUSALS = (RefusedValue, Conflict, Missing, Exists)
MAX_BATCH = 100


def error(status: int, category: str, message: str, **more: Any) -> Response:
    """An error as HubSpot words it; it never names a delay."""
    body = {"status": "error", "message": message, "correlationId": str(uuid4()), "category": category, **more}
    return JSONResponse(body, status)


def refusal(caught: Exception) -> tuple[int, Row]:
    """The status and the error of a refused row."""
    if isinstance(caught, RefusedValue):
        detail = {"isValid": False, "message": str(caught), "error": caught.code, "name": caught.name}
        message = f"Property values were not valid: {json.dumps([detail])}"
        errors = [{"message": str(caught), "code": caught.code, "context": {"propertyName": [caught.name]}}]
        return 400, {"category": "VALIDATION_ERROR", "message": message, "errors": errors}
    if isinstance(caught, Missing):
        message = f"Could not get some objects, they may be deleted or not exist. Check that ids [{caught}] are valid"
        return 404, {"category": "OBJECT_NOT_FOUND", "message": message, "errors": []}
    return 409, {"category": "CONFLICT", "message": str(caught), "errors": []}


def batch(results: list[Row], errors: list[Row], status: int = 200) -> Response:
    """The answer to a batch; with errors it is 207."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    body: Row = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
    return JSONResponse(body, 207 if errors else status)


def rows(inputs: list[Row], write: Callable[[Row], Row], *, is_partial: bool, status: int = 200) -> Response:
    """Write a batch. Rows fail alone when each has an `objectWriteTraceId` of its own and `is_partial`.

    Otherwise the first bad row refuses all (`RefusedBatch`), and the caller undoes what was written.
    """
    traces = [each.get("objectWriteTraceId") for each in inputs]
    may_fail_alone = is_partial and all(traces) and len(set(traces)) == len(traces)
    results: list[Row] = []
    errors: list[Row] = []
    for each in inputs:
        trace = each.get("objectWriteTraceId")
        try:
            results.append({**write(each), **({"objectWriteTraceId": trace} if trace else {})})
        except REFUSALS as caught:
            code, words = refusal(caught)
            if not may_fail_alone:
                raise RefusedBatch(error(code, **words)) from caught
            context = {"objectWriteTraceId": [trace], "ids": [str(each.get("id", ""))]}
            errors.append({"status": "error", "context": context, "links": {}, **words})
    return batch(results[::-1], errors, status)  # in another order than they were asked in


class RefusedBatch(Exception):
    """A batch that is refused as a whole."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


def check_batch(inputs: list[Row]) -> None:
    """Raises `RefusedBatch` for a batch that is too long or names a record twice."""
    ids = [str(each["id"]) for each in inputs if "id" in each]
    if len(inputs) > MAX_BATCH:
        raise RefusedBatch(error(400, "VALIDATION_ERROR", f"The maximum number of inputs is {MAX_BATCH}"))
    if len(set(ids)) != len(ids):
        raise RefusedBatch(error(400, "VALIDATION_ERROR", "Duplicate IDs found in batch input"))
