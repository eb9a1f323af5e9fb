"""Any body is either refused as a whole or sorted into events the loader can load and dead letters with a reason."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echolead.events import ReceivedRequest, decode_received_request, encode
from ingest_api.events.batch import CheckedBatch, check_batch
from ingest_api.events.validation import MAX_KEYS
from ingest_api.http.problems import Problem
from ingest_api.queue.event_store import dead_letter_lines

GOOD: dict[str, object] = {
    "event_id": "0197c1b2-6f80-7a31-8f4e-0c8a5be4d911",
    "name": "page_view",
    "tracking_id": "0197c1ae-0d11-7c55-9b0e-5f7d0a3c2b10",
    "session_id": "0197c1ae-0d12-7e08-a1c4-3b9f6f0e7a55",
    "occurred_at": "2025-07-01T12:00:03.214-03:00",
    "page": {"url": "https://lp.example.com/"},
}
GOOD_JSON = json.dumps(GOOD)

POINT = '{"at": "2025-07-01T12:00:03Z", "landing_url": "https://a"}'


def with_field(name: str, value: str) -> str:
    """The good event with one field replaced or added, its value as raw JSON text."""
    rest = {key: each for key, each in GOOD.items() if key != name}
    return f'{json.dumps(rest)[:-1]}, "{name}": {value}}}'


def batch_of(*events: str | bytes) -> bytes:
    """A body."""
    texts = [event.encode() if isinstance(event, str) else event for event in events]
    return b'{"sent_at":"2025-07-01T12:00:04.000-03:00","events":[' + b",".join(texts) + b"]}"


def nested(depth: int) -> str:
    """A list in a list, `depth` times."""
    return "[" * depth + "]" * depth


def keys(count: int) -> str:
    """An object with so many keys."""
    return json.dumps(dict.fromkeys(map(str, range(count)), 0))


def keys_in_lists(count: int) -> str:
    """As many keys as in `keys`, of objects with one each and all with the same name."""
    return json.dumps([{"a": 0}] * count)


REFUSED = [
    pytest.param(with_field("tracking_id", "null"), "invalid_event", id="null for a required field"),
    pytest.param(with_field("page", '{"url": 5}'), "invalid_event", id="a number for a required text"),
    pytest.param(with_field("user", '{"email": true}'), "invalid_event", id="true for a text"),
    pytest.param(with_field("user", '{"email": ["a@b.example"]}'), "invalid_event", id="a list for a text"),
    pytest.param(
        with_field("user", f'{{"external_id": {"9" * 5000}}}'), "invalid_event", id="too many digits for a text"
    ),
    pytest.param(with_field("user", '{"name": "Ana", "name": null}'), "repeated_key", id="a key twice, once null"),
    pytest.param(with_field("consent", '{"at": 5}'), "invalid_event", id="a number for a time"),
    pytest.param(
        with_field("touch", '{"last": {"at": null, "landing_url": "https://a"}}'),
        "invalid_event",
        id="an arrival without time",
    ),
    pytest.param("1", "invalid_event", id="a number"),
    pytest.param("null", "invalid_event", id="null"),
    pytest.param("[]", "invalid_event", id="a list"),
    pytest.param("{}", "invalid_event", id="nothing in it"),
    pytest.param(with_field("event_id", '"42"'), "invalid_event", id="no UUID"),
    pytest.param(with_field("name", '"Page View"'), "invalid_event", id="no name"),
    pytest.param(with_field("name", "7"), "invalid_event", id="a name of the wrong type"),
    pytest.param(with_field("occurred_at", '"yesterday"'), "invalid_event", id="no time"),
    pytest.param(with_field("occurred_at", '"2025-07-01T12:00:00"'), "invalid_event", id="a time without zone"),
    pytest.param(with_field("occurred_at", "-1"), "invalid_event", id="a negative number as time"),
    pytest.param(with_field("occurred_at", '"9999-12-31T23:59:59Z"'), "time_out_of_range", id="year 9999"),
    pytest.param(with_field("occurred_at", '"0001-01-01T00:00:00+23:59"'), "time_out_of_range", id="year 1"),
    pytest.param(with_field("occurred_at", '"1969-12-31T23:59:59Z"'), "time_out_of_range", id="before 1970"),
    *(
        pytest.param(
            with_field("touch", f'{{"{name}": {{"at": "9999-01-01T00:00:00Z", "landing_url": "https://a"}}}}'),
            "time_out_of_range",
            id=f"touch.{name} in the year 9999",
        )
        for name in ("first", "last", "last_non_direct")
    ),
    pytest.param(with_field("occurred_at", '"2106-01-01T00:00:00Z"'), "time_out_of_range", id="after the last year"),
    pytest.param(with_field("consent", '{"at": "9999-01-01T00:00:00Z"}'), "time_out_of_range", id="consent in 9999"),
    pytest.param(
        with_field("page", '{"url": "' + "x" * 9000 + '"}'), "invalid_event", id="an address of 9,000 letters"
    ),
    pytest.param(with_field("properties", '{"a": 1e400}'), "invalid_event", id="a number beyond a double"),
    pytest.param(with_field("properties", '{"a": NaN}'), "malformed_json", id="NaN"),
    pytest.param(with_field("other", "Infinity"), "malformed_json", id="Infinity in an unknown field"),
    pytest.param(with_field("other", "01"), "malformed_json", id="a leading zero"),
    pytest.param(with_field("other", '"\\q"'), "malformed_json", id="an escape there is not"),
    pytest.param(with_field("other", '"\x01"'), "malformed_json", id="a bare control character"),
    pytest.param(with_field("other", '"a\nb"'), "malformed_json", id="a bare line break in a text"),
    pytest.param(with_field("other", '"\\udc00"'), "invalid_unicode", id="a lone low surrogate"),
    pytest.param(with_field("other", '"\\ud800\\u0041"'), "invalid_unicode", id="a lone high surrogate"),
    pytest.param(with_field("other", '"\\ud800"'), "invalid_unicode", id="a high surrogate at the end of a text"),
    pytest.param(with_field("other", '"\\\\\\uDBFF\\n"'), "invalid_unicode", id="a high surrogate, then a line break"),
    pytest.param(with_field("other", '"\\u"'), "malformed_json", id="an escape that is cut short"),
    pytest.param(with_field("properties", keys(MAX_KEYS - 7)), "too_many_keys", id="1,001 keys in one object"),
    pytest.param(with_field("other", keys_in_lists(MAX_KEYS - 7)), "too_many_keys", id="1,001 keys in many objects"),
    pytest.param(with_field("page", '{"url": "https://a", "title": "\\u0000"}'), "nul_character", id="NUL in a title"),
    pytest.param(with_field("other", '"a\\\\\\u0000"'), "nul_character", id="NUL after an escaped backslash"),
    pytest.param(with_field("other", nested(64)), "nesting_too_deep", id="65 deep in an unknown field"),
    pytest.param(with_field("properties", '{"a": ' + nested(63) + "}"), "nesting_too_deep", id="65 deep in a property"),
    pytest.param(with_field("properties", '{"a": ' + nested(900) + "}"), "nesting_too_deep", id="900 deep"),
    pytest.param(with_field("properties", '{"a": ' + nested(10_000) + "}"), "nesting_too_deep", id="10,000 deep"),
    pytest.param(with_field("other", '"' + "x" * 66_000 + '"'), "event_too_large", id="over 64 KB"),
    pytest.param(
        with_field("other", '"X"').encode().replace(b"X", b"\xff\xfe"), "invalid_unicode", id="bytes that are no UTF-8"
    ),
    pytest.param(
        with_field("other", '"X"').encode().replace(b"X", b"\xed\xa0\x80"), "invalid_unicode", id="a surrogate as bytes"
    ),
]


@pytest.mark.parametrize(("bad", "reason"), REFUSED)
def test_a_bad_event_is_refused_alone(bad: str | bytes, reason: str) -> None:
    checked = check_batch(batch_of(GOOD_JSON, bad, GOOD_JSON), "BR")
    assert [(each.position, each.reason) for each in checked.rejected] == [(1, reason)]
    assert len(checked.accepted) == 2
    content = bad.encode() if isinstance(bad, str) else bad
    assert checked.rejected[0].raw == content
    assert_loadable(checked)


@pytest.mark.parametrize(
    ("bad", "key"),
    [
        pytest.param(f'{GOOD_JSON[:-1]}, "page": {{"url": "https://b"}}}}', "page", id="the page"),
        pytest.param(f'{GOOD_JSON[:-1]}, "p\\u0061ge": {{"url": "https://b"}}}}', "page", id="the page with an escape"),
        pytest.param(with_field("page", '{"url": "https://a?token=t", "url": "https://a"}'), "url", id="its address"),
        pytest.param(with_field("page", '{"url":"https://a","\\u0075rl":"https://a"}'), "url", id="with an escape"),
        pytest.param(with_field("touch", '{"first": null, "first": null}'), "first", id="an arrival"),
        pytest.param(
            with_field("touch", f'{{"last": {POINT[:-1]}, "landing_url": "https://b"}}}}'), "landing_url", id="in it"
        ),
        pytest.param(
            with_field("touch", f'{{"last": {POINT[:-1]}, "params": {{"a": "", "a": ""}}}}}}'), "a", id="its params"
        ),
        pytest.param(with_field("user", '{"email": "a@b.test", "email": ""}'), "email", id="the e-mail address"),
        pytest.param(with_field("consent", '{"purposes": {"a": true, "a": false}}'), "a", id="a purpose"),
        pytest.param(with_field("properties", '{"url": 1, "url": 2}'), "url", id="a property"),
        pytest.param(with_field("properties", '{"a": [{"b": 1, "b": 1}]}'), "b", id="in a list in a property"),
        pytest.param(with_field("other", '{"é": 1, "\\u00e9": 2}'), "é", id="in an unknown field"),
        pytest.param(with_field("other", f'{{"": {"9" * 5000}, "": 0}}'), "", id="no name, beside a long number"),
    ],
)
@pytest.mark.parametrize("is_compact", [True, False])
def test_an_event_with_a_key_twice_is_refused(bad: str, key: str, is_compact: bool) -> None:
    if is_compact:
        bad = bad.replace(", ", ",").replace(": ", ":")
    checked = check_batch(batch_of(GOOD_JSON, bad), "BR")
    assert [(each.position, each.reason) for each in checked.rejected] == [(1, "repeated_key")]
    assert json.dumps(key) in checked.rejected[0].detail
    assert checked.rejected[0].raw == bad.encode()
    assert len(checked.accepted) == 1


@pytest.mark.parametrize(
    "good",
    [
        pytest.param(with_field("properties", f'{{"a": {2**63}}}'), id="2^63"),
        pytest.param(with_field("properties", f'{{"a": {-(2**63)}, "b": {2**64}}}'), id="more than 64 bits"),
        pytest.param(with_field("other", nested(63)), id="64 deep in an unknown field"),
        pytest.param(with_field("properties", '{"a": ' + nested(62) + "}"), id="64 deep in a property"),
        pytest.param(with_field("other", '"' + "[" * 500 + '"'), id="brackets in a text"),
        pytest.param(with_field("other", '"\\\\u0000"'), id="a backslash and u0000"),
        pytest.param(with_field("other", '"\\ud83d\\ude00 😀"'), id="an emoji, escaped and not"),
        pytest.param(with_field("properties", "{}"), id="no properties"),
        pytest.param(with_field("properties", keys(MAX_KEYS - 8)), id="1,000 keys"),
        pytest.param(with_field("other", json.dumps(":" * 5 * MAX_KEYS)), id="colons in a text"),
        pytest.param(with_field("other", '"\\\\ud800"'), id="a backslash and ud800"),
        pytest.param(with_field("user", '{"email": "", "phone": ""}'), id="an empty user"),
        pytest.param(with_field("other", '[{"a": 1}, {"a": {"a": 2, "A": 3}}]'), id="a key once in each object"),
        pytest.param(with_field("other", "9" * 5000), id="a number of 5,000 digits"),
    ],
)
def test_an_unusual_event_is_taken_as_it_was_sent(good: str) -> None:
    checked = check_batch(batch_of(good), "BR")
    assert [bytes(each.event) for each in checked.accepted] == [good.encode()]
    assert_loadable(checked)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"events":[{"a":"' + b'\\"' * 500_000, id="a text that never ends"),
        pytest.param(b'{"events":[{"a":"' + b'\\"' * 500_000 + b"\\", id="one that ends in a backslash"),
        pytest.param(b'{"events":[' + b'"' * 1_000_000, id="nothing but quotes"),
    ],
)
def test_a_megabyte_built_to_be_slow_to_check_is_refused(body: bytes) -> None:
    """Each would take an hour if the check read to the end of the body for every quote."""
    with pytest.raises(Problem):
        check_batch(body, "BR")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"events":[GOOD],"events":[GOOD]}', id="two lists"),
        pytest.param('{"ev\\u0065nts":[GOOD],"events":[GOOD]}', id="spelled with an escape"),
        pytest.param('{"events":[GOOD,{"x":nul}],"events":[GOOD]}', id="a broken event"),
        pytest.param('{"ev\\u0065nts":[GOOD],"events":[GOOD,{"x":nul}]}', id="a broken event, and an escape"),
    ],
)
def test_a_batch_with_two_lists_of_events_loses_none_behind_a_202(body: str) -> None:
    with pytest.raises(Problem, match="twice"):
        check_batch(body.replace("GOOD", json.dumps(GOOD)).encode(), "BR")


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_a_pretty_printed_event_is_taken_on_one_line(line_break: str) -> None:
    """The queue keeps one request a line; between the words of a JSON text a line break is a blank like any other."""
    pretty = json.dumps(GOOD, indent=4).replace("\n", line_break)
    checked = check_batch(batch_of(pretty), "BR")
    assert [bytes(each.event) for each in checked.accepted] == [
        pretty.replace(line_break, " " * len(line_break)).encode()
    ]
    assert_loadable(checked)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"events":{}}', id="events that are no list"),
        pytest.param(b'{"events":[]}', id="no events"),
        pytest.param(b'{"events":[,]}', id="a comma alone"),
        pytest.param(b'{"events":[1}', id="brackets that do not match"),
        pytest.param(batch_of(GOOD_JSON)[:-2], id="cut short"),
        pytest.param(b"\x00" * 100, id="zeros"),
        pytest.param(b"[" * 200_000, id="200,000 brackets"),
        pytest.param(b'{"a":' * 100_000, id="100,000 objects"),
        pytest.param(b'{"events":[1],"sent_at":5}', id="sent_at of the wrong type"),
        pytest.param(batch_of(*["1"] * 501), id="501 events"),
    ],
)
def test_a_body_that_is_not_a_batch_is_refused_whole(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        check_batch(body, "BR")
    assert caught.value.kind.status == 422


def test_a_sending_time_out_of_range_is_dropped_and_the_events_are_taken() -> None:
    body = b'{"sent_at":"9999-01-01T00:00:00Z","events":[' + GOOD_JSON.encode() + b"]}"
    checked = check_batch(body, "BR")
    assert (checked.sent_at, len(checked.accepted)) == (None, 1)


def test_normalised_user_fields_are_stored_beside_the_event() -> None:
    event = with_field("user", '{"email": " Ana@Example.COM ", "phone": "11 98765-4321"}')
    [received] = check_batch(batch_of(event), "BR").accepted
    assert received.user is not None
    assert (received.user.email, received.user.phone) == ("ana@example.com", "+5511987654321")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from([*GOOD, "touch", "user", "consent", "context", "properties", "other"])
MUTATED = st.dictionaries(FIELDS, ANYTHING, max_size=3).map(lambda changes: json.dumps({**GOOD, **changes}))


@given(st.lists(st.one_of(MUTATED, MUTATED.map(lambda text: text.replace('"', "", 1))), min_size=1, max_size=4))
def test_mutated_events_are_sorted_or_refused(events: list[str]) -> None:
    check_any(batch_of(*events))


@given(st.binary(max_size=200) | st.binary(max_size=50).map(lambda noise: batch_of(GOOD_JSON) + noise))
def test_noise_is_sorted_or_refused(body: bytes) -> None:
    check_any(body)


@given(st.integers(0, len(batch_of(GOOD_JSON, GOOD_JSON)) - 1), st.binary(min_size=1, max_size=3))
def test_damaged_bytes_are_sorted_or_refused(place: int, damage: bytes) -> None:
    body = batch_of(GOOD_JSON, GOOD_JSON)
    check_any(body[:place] + damage + body[place + len(damage) :])


def check_any(body: bytes) -> None:
    """Only a `Problem` may be raised, and accepted events must be loadable."""
    try:
        checked = check_batch(body, "BR")
    except Problem as problem:
        assert problem.kind.status == 422
    else:
        assert_loadable(checked)


def assert_loadable(checked: CheckedBatch) -> None:
    """As the loader will: decode the lines, and find text, times and numbers that its columns hold."""
    request = ReceivedRequest(
        tenant_id="t", received_at=datetime.now(UTC), sent_at=checked.sent_at, events=checked.accepted
    )
    for each in decode_received_request(encode(request)).events:
        payload = bytes(each.event).decode()
        event = json.loads(payload, parse_int=str)
        assert "\x00" not in json.dumps(event, ensure_ascii=False)
        UUID(event["event_id"])
        assert 1970 <= datetime.fromisoformat(event["occurred_at"]).year <= 2105
    for line in dead_letter_lines(request, checked):
        assert b"\n" not in line
        msgspec.json.decode(line)["payload"].encode()


OPTIONAL = [
    pytest.param(
        "page", '{"url":"https://a","title":null,"referrer":null,"query":null}', '{"url":"https://a"}', id="page"
    ),
    pytest.param("touch", "null", None, id="touch"),
    pytest.param("touch", '{"first":null,"last":null,"last_non_direct":null}', "{}", id="arrivals"),
    pytest.param(
        "touch",
        f'{{"last":{POINT[:-1]},"referrer":null,"params":{{"utm_id":2026,"utm_term":null}},"cookies":null}}}}',
        f'{{"last":{POINT[:-1]},"params":{{"utm_id":"2026"}}}}}}',
        id="fields of an arrival",
    ),
    pytest.param("context", "null", None, id="context"),
    pytest.param("context", '{"language":null,"script_version":2}', '{"script_version":"2"}', id="fields of context"),
    pytest.param("user", "null", None, id="user"),
    pytest.param(
        "user",
        '{"email":null,"phone":5511987654321,"name":null,"external_id":12345678901234567890123}',
        '{"phone":"5511987654321","external_id":"12345678901234567890123"}',
        id="fields of user",
    ),
    pytest.param(
        "user",
        '{"phone":5511987654321.0,"external_id":5.5e3}',
        '{"phone":"5511987654321","external_id":"5500"}',
        id="whole numbers",
    ),
    pytest.param("user", '{"external_id":-0.5}', '{"external_id":"-0.5"}', id="a fraction"),
    pytest.param("consent", "null", None, id="consent"),
    pytest.param(
        "consent",
        '{"purposes":{"analytics":true,"marketing":null},"basis":null,"policy_version":3,"at":null}',
        '{"purposes":{"analytics":true},"policy_version":"3"}',
        id="fields of consent",
    ),
    pytest.param("properties", "null", None, id="properties"),
    pytest.param("properties", "[]", None, id="properties as PHP writes none"),
    pytest.param("user", "[]", None, id="a user as PHP writes none"),
    pytest.param(
        "touch",
        f'{{"first":[],"last":{POINT[:-1]},"params":[]}}}}',
        f'{{"last":{POINT}}}',
        id="parameters as PHP writes none",
    ),
]


@pytest.mark.parametrize(("name", "sent", "stored"), OPTIONAL)
@pytest.mark.parametrize("is_pretty", [False, True], ids=["compact", "pretty"])
def test_null_is_absent_and_a_number_its_digits(name: str, sent: str, stored: str | None, is_pretty: bool) -> None:
    body = batch_of(with_field(name, sent))
    layout: dict[str, Any] = {"indent": 1} if is_pretty else {"separators": (",", ":")}
    checked = check_batch(json.dumps(json.loads(body), **layout).encode(), "BR")
    assert checked.rejected == []
    expected = json.loads(
        with_field(name, stored) if stored else json.dumps({key: value for key, value in GOOD.items() if key != name})
    )
    [accepted] = checked.accepted
    assert without_nulls(json.loads(bytes(accepted.event))) == expected


def without_nulls(said: Any) -> Any:
    """What is left of a value without nulls: some that a field may hold stay as they were sent."""
    return (
        {key: without_nulls(value) for key, value in said.items() if value is not None}
        if isinstance(said, dict)
        else said
    )


def test_values_of_properties_and_other_fields_stay_as_they_were_sent() -> None:
    event = (
        with_field("user", '{"email": null}')[:-1] + ', "properties": {"value": null, "price": 1.50}, "other": null}'
    )
    [accepted] = check_batch(batch_of(event), "BR").accepted
    assert b'"properties":{"value": null, "price": 1.50},"other":null' in bytes(accepted.event)
    assert b'"user":{}' in bytes(accepted.event)


def test_a_number_is_normalised_like_the_text_of_its_digits() -> None:
    [accepted] = check_batch(batch_of(with_field("user", '{"email": null, "phone": 5511987654321}')), "BR").accepted
    assert accepted.user is not None
    assert (accepted.user.email, accepted.user.phone) == ("", "+5511987654321")


def test_the_words_null_and_undefined_stay_as_they_were_sent() -> None:
    event = with_field("user", '{"external_id":"undefined","name":"null","email":"null"}')
    [accepted] = check_batch(batch_of(event), "BR").accepted
    assert bytes(accepted.event).decode() == event
    assert accepted.user is None
