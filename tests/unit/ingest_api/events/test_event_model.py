"""Properties of the event model: an event is accepted and loaded byte by byte, or refused with a listed reason.

Events are generated as JSON text and not as Python values, to include forms that no library writes: numbers of any
length, escapes of every kind, halves of surrogate pairs, repeated keys, white space anywhere.
"""

import base64
import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dlt_pipelines.collector.rows import EventRows, RejectedRows
from dlt_pipelines.collector.stream import StreamMessage
from echolead.events import REASONS as ALL_REASONS
from echolead.events import LoaderReason, ReceivedRequest, encode
from ingest_api.events.batch import CheckedBatch, check_batch
from ingest_api.events.validation import REASONS
from ingest_api.http.problems import Problem
from ingest_api.openapi.events import REJECTION_SCHEMA
from ingest_api.queue.event_store import dead_letter_lines

REFERENCE = Path(__file__).parents[4] / "docs" / "reference" / "collector.md"
GOOD = {
    "event_id": '"0197c1b2-6f80-7a31-8f4e-0c8a5be4d911"',
    "name": '"page_view"',
    "tracking_id": '"0197c1ae-0d11-7c55-9b0e-5f7d0a3c2b10"',
    "session_id": '"0197c1ae-0d12-7e08-a1c4-3b9f6f0e7a55"',
    "occurred_at": '"2025-07-01T12:00:03.214-03:00"',
    "page": '{"url": "https://lp.example.com/"}',
}

numbers = (
    st.integers().map(str)
    | st.floats().map(json.dumps)
    | st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
)
escapes = st.sampled_from(
    ["\\ud800", "\\udc00", "\\ud83d\\ude00", "\\u0000", "\\/", "\\\\", "\\n", "\\x", "\x01", "\n"]
)
texts = (
    st.text(max_size=20).map(json.dumps)
    | st.text(max_size=20).map(lambda text: json.dumps(text, ensure_ascii=False))
    | st.lists(escapes | st.just("a"), max_size=4).map(lambda parts: f'"{"".join(parts)}"')
)
blanks = st.sampled_from(["", "", "", " ", "\n", "\r\n\t"])
simple = st.sampled_from(["null", "true", "false", "tru", "", "Infinity"]) | numbers | texts


def listed(parts: list[str], blank: str) -> str:
    """A JSON list."""
    return f"[{blank}{f',{blank}'.join(parts)}{blank}]"


def keyed(pairs: list[tuple[str, str]], blank: str) -> str:
    """A JSON object; keys may come twice."""
    return "{" + f",{blank}".join(f"{blank}{key}{blank}:{blank}{value}" for key, value in pairs) + "}"


values = st.recursive(
    simple,
    lambda inner: (
        st.builds(listed, st.lists(inner, max_size=4), blanks)
        | st.builds(keyed, st.lists(st.tuples(texts, inner), max_size=4), blanks)
    ),
    max_leaves=15,
)
OPTIONAL = {f'"{name}"' for name in ("touch", "user", "consent", "context", "properties")}
NONE = re.compile(rf"({'|'.join(OPTIONAL)}):(null|\[\])")
decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
fields = st.sampled_from([*GOOD, "touch", "user", "consent", "context", "properties", "other"])


def event_with(changes: dict[str, str]) -> str:
    """The good event with some fields replaced or added."""
    return keyed([(json.dumps(name), value) for name, value in {**GOOD, **changes}.items()], "")


any_events = st.dictionaries(fields, values, max_size=3).map(event_with)
harmless = st.dictionaries(
    st.sampled_from(["other", "another"]), numbers.filter(lambda text: text[-1].isdigit()), max_size=2
)
good_events = harmless.map(event_with)
bad_events = st.sampled_from(
    [
        "1",
        "null",
        "{}",
        "[]",
        event_with({"name": '"Bad Name"'}),
        event_with({"other": '"\\ud800"'}),
        event_with({"other": "nope"}),
        event_with({"occurred_at": '"1066-10-14T09:00:00Z"'}),
    ]
)


def batch_of(events: list[str]) -> bytes:
    """A body."""
    return ('{"events":[' + ",".join(events) + "]}").encode()


def in_one_line(text: str) -> str:
    """The collector's replacement of line breaks between tokens, so that a line of a message is one request."""
    return text.replace("\n", " ").replace("\r", " ")


def loaded(checked: CheckedBatch) -> tuple[list[str], list[str]]:
    """The payloads of the loader's rows: of accepted and of refused events."""
    request = ReceivedRequest(tenant_id="acme", received_at=datetime.now(UTC), events=checked.accepted)
    line = encode(request)
    events = EventRows([StreamMessage("events.acme", 1, 1, line, "")])
    assert events.dead == [], "the loader cannot read what the collector accepted"
    letters = b"\n".join(dead_letter_lines(request, checked))
    rejected = RejectedRows([StreamMessage("dead.acme", 1, 1, letters, "")]).table().to_pylist()
    assert {row["reason"] for row in rejected} <= set(REASONS)
    payloads = [base64.b64decode(row["payload"]).decode() if row["is_base64"] else row["payload"] for row in rejected]
    return events.table()["payload"].to_pylist(), payloads


def without_nones(event: str) -> str:
    """An event without the optional objects that are null or an empty list, every other value as it was written."""
    fields = {json.dumps(name): bytes(value).decode() for name, value in decode_fields(event).items()}
    return keyed(
        [(name, value) for name, value in fields.items() if value not in ("null", "[]") or name not in OPTIONAL], ""
    )


@given(any_events)
@example(event_with({"other": '"\\ud800"'}))
@example(event_with({"event_id": '["\\ud800"]', "touch": "null"}))
@example(event_with({"properties": '{"a": 1e400}'}))
@example(event_with({"properties": "[]", "other": "[]"}))
@example(event_with({"page": '{"url":\n"https://a"}'}))
@example(event_with({"touch": "null", "other": "null", "properties": '{"a": null}'}))
def test_any_event_is_loaded_byte_by_byte_or_refused_for_a_listed_reason(event: str) -> None:
    try:
        checked = check_batch(batch_of([event]), "BR")
    except Problem as problem:
        assert problem.kind.name == "not-a-batch"
        assert not is_json(event), "an event that is JSON must not cost the whole body"
        return
    taken, refused = loaded(checked)
    if len(checked.accepted) + len(checked.rejected) == 1:
        allowed = [([in_one_line(event)], []), ([], [event])]
        if is_json(event) and NONE.search(event):
            with suppress(msgspec.DecodeError):  # half of a pair of surrogates is JSON, and no text
                allowed.append(([in_one_line(without_nones(event))], []))
        assert (taken, refused) in allowed
    else:
        assert not is_json(event), "only what is not JSON can come apart at a bracket or comma of its own"


@given(st.lists(st.tuples(st.booleans(), good_events, bad_events), min_size=1, max_size=8))
def test_a_batch_keeps_exactly_its_good_events(choices: list[tuple[bool, str, str]]) -> None:
    events = [good if is_good else bad for is_good, good, bad in choices]
    checked = check_batch(batch_of(events), "BR")
    expected = [good for is_good, good, _ in choices if is_good]
    assert [bytes(each.event).decode() for each in checked.accepted] == expected
    assert [each.position for each in checked.rejected] == [n for n, (is_good, *_) in enumerate(choices) if not is_good]
    assert loaded(checked) == (expected, [bad for is_good, _, bad in choices if not is_good])


def spelled(key: str, escaped: int) -> str:
    """A key as JSON, with the characters whose bits are set in `escaped` written as escapes."""
    return '"' + "".join(f"\\u{ord(c):04x}" if escaped >> place & 1 else c for place, c in enumerate(key)) + '"'


def address(key: str, text: str) -> tuple[str, str]:
    """An address under this key."""
    return key, json.dumps(f"https://{text}.test/?token={text}")


names = st.sampled_from(["url", "referrer", "query", "title", "a"])
any_spelling = st.builds(spelled, names, st.integers(0, 255) | st.just(0))
addresses = st.builds(address, any_spelling, st.sampled_from(["x", "y"]))
url = st.just(('"url"', '"https://a.test/"'))
objects = st.builds(keyed, st.lists(addresses, max_size=3), blanks)
pages = st.builds(keyed, st.builds(lambda first, more: [first, *more], url, st.lists(addresses, max_size=3)), blanks)
landing = st.sampled_from(['"https://a.test/?token=t"', '"https://b.test/"'])
points = st.builds(
    lambda more, blank: keyed([('"at"', GOOD["occurred_at"]), ('"landing_url"', '"https://a.test/"'), *more], blank),
    st.lists(
        st.tuples(st.builds(spelled, st.just("landing_url"), st.integers(0, 3)), landing)
        | st.tuples(st.sampled_from(['"params"', '"cookies"']), objects),
        max_size=2,
    ),
    blanks,
)
arrivals = st.builds(keyed, st.lists(st.tuples(st.sampled_from(['"first"', '"last"']), points), max_size=3), blanks)
parts = (
    st.tuples(st.builds(spelled, st.just("page"), st.integers(0, 15)), pages)
    | st.tuples(st.just('"touch"'), arrivals)
    | st.tuples(st.sampled_from(['"user"', '"context"', '"properties"', '"other"']), objects)
)
events_with_repeats = st.builds(
    lambda more, blank: keyed([*((json.dumps(name), value) for name, value in GOOD.items()), *more], blank),
    st.lists(parts, max_size=3),
    blanks,
)


def repeats(text: str) -> bool:
    """Whether an object of this JSON has a key twice."""
    found = []
    json.loads(text, object_pairs_hook=lambda pairs: found.append(len(dict(pairs)) < len(pairs)))
    return any(found)


def first_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object as ClickHouse reads it."""
    return dict(reversed(pairs))


@given(st.lists(events_with_repeats, min_size=1, max_size=3))
def test_an_accepted_event_is_read_alike_by_readers_of_the_first_and_the_last_key(events: list[str]) -> None:
    checked = check_batch(batch_of(events), "BR")
    taken, refused = loaded(checked)
    assert refused == [event for event in events if repeats(event)]
    assert {each.reason for each in checked.rejected} <= {"repeated_key"}
    for payload in taken:
        assert json.loads(payload, object_pairs_hook=first_of) == json.loads(payload)


def is_json(text: str) -> bool:
    """Whether Python's own decoder reads it, as far as it keeps to the standard."""
    try:
        json.loads(text, parse_constant=lambda name: float(f"not JSON: {name}"))
    except (ValueError, RecursionError):
        return False
    return True


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_is_in_the_reference_and_in_the_description(reason: str) -> None:
    assert f"\n| `{reason}` |" in REFERENCE.read_text()
    assert reason in REJECTION_SCHEMA["properties"]["reason"]["enum"]  # type: ignore[index]


def test_the_reference_lists_only_reasons_that_are_used() -> None:
    table = REFERENCE.read_text().partition("| reason |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(REASONS)


def test_the_command_line_knows_the_reasons_of_collector_and_loader() -> None:
    assert (*REASONS, *get_args(LoaderReason)) == ALL_REASONS
