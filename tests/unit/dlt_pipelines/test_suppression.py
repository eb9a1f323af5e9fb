"""What the loader leaves out after an erasure."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from dlt_pipelines.collector.suppression import without_erased
from echolead.erasure.person import visitor_hash
from tests.factories import uid

ERASED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEFORE, AFTER = ERASED_AT - timedelta(hours=1), ERASED_AT + timedelta(hours=1)
ERASED = {visitor_hash("acme", uid("ana")): ERASED_AT}


def events(*rows: tuple[str, str, datetime]) -> pa.Table:
    tenants, visitors, times = zip(*rows, strict=True)
    return pa.table({"tenant_id": tenants, "tracking_id": [uid(each) for each in visitors], "received_at": times})


def letters(*payloads: str, is_base64: bool = False) -> pa.Table:
    rows = [{"tenant_id": "acme", "received_at": BEFORE, "payload": each, "is_base64": is_base64} for each in payloads]
    return pa.Table.from_pylist(rows)


def test_older_events_of_an_erased_visitor_are_left_out_and_nobody_else_s() -> None:
    rows = events(("acme", "ana", BEFORE), ("acme", "ana", AFTER), ("acme", "bia", BEFORE), ("beta", "ana", BEFORE))
    kept = without_erased(rows, ERASED).to_pylist()
    assert [(row["tenant_id"], row["tracking_id"], row["received_at"]) for row in kept] == [
        ("acme", uid("ana"), AFTER),
        ("acme", uid("bia"), BEFORE),
        ("beta", uid("ana"), BEFORE),
    ]


def test_rows_that_are_newer_than_every_erasure_are_not_looked_at() -> None:
    rows = events(("acme", "ana", AFTER))
    assert without_erased(rows, ERASED) is rows


def test_letters_are_known_by_the_visitor_they_name_however_it_is_written() -> None:
    ana, bia = (json.dumps({"tracking_id": uid(name)}) for name in ("ana", "bia"))
    upper = ana.replace("-", "").upper()
    assert without_erased(letters(ana, bia, upper, "no id"), ERASED)["payload"].to_pylist() == [bia, "no id"]
    encoded = [base64.b64encode(each.encode()).decode() for each in (ana, bia)]
    kept = without_erased(letters(*encoded, "no base64!", is_base64=True), ERASED)
    assert kept["payload"].to_pylist() == [encoded[1], "no base64!"]
