"""What a dead letter holds as text, and what a corrected text is refused for."""

import json
from base64 import b64encode

import pytest

from dashboards.corrected import NotAnEvent, editable, event_of, readable
from dashboards.texts import text_in


def refused(text: str) -> str:
    """Why a text is no event, in English."""
    with pytest.raises(NotAnEvent) as caught:
        event_of(text)
    return text_in("en", caught.value.key, **caught.value.values)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param('{\n "a": 1,\n}', "Line 3, column 1", id="a comma too many"),
        pytest.param("", "Line 1, column 1", id="nothing"),
        pytest.param('{"a": "x\ny"}', "Line 1, column 9", id="a bare line break"),
        pytest.param('[{"a": 1}]', "begins with {", id="a list"),
        pytest.param('{"a": {"b": 1, "b": 2}}', '"b" is there twice', id="a repeated key"),
        pytest.param('{"a": NaN}', "NaN is no number", id="NaN"),
        pytest.param('{"a": 1e999}', "Nothing was sent", id="a number without end"),
        pytest.param('{"a": "\\ud800"}', "Nothing was sent", id="half of a surrogate pair"),
        pytest.param("[" * 100_000, "Nothing was sent", id="nested without end"),
        pytest.param('{"a": ' + "9" * 5_000 + "}", "Nothing was sent", id="a number of 5,000 digits"),
    ],
)
def test_a_text_that_is_no_event_is_refused_with_the_place(text: str, why: str) -> None:
    assert why in refused(text)


def test_an_event_is_what_was_typed() -> None:
    assert event_of('{"name": "ação", "value": 2.5, "big": 12345678901234567890}') == {
        "name": "ação",
        "value": 2.5,
        "big": 12345678901234567890,
    }


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"a": \ud800}'])
def test_what_is_no_json_is_shown_as_it_is(text: str) -> None:
    assert readable(text) == (text, False)


def test_json_is_shown_with_line_breaks_and_each_key_and_number_as_written() -> None:
    assert readable('{"a":1.50,"a":[],"b":"\\u00e3"}') == ('{\n  "a": 1.50,\n  "a": [],\n  "b": "\\u00e3"\n}', True)


def test_a_correction_begins_with_what_was_sent() -> None:
    letter = {"reason": "invalid_unicode", "payload": b64encode(b'{"a":"\xff"}').decode(), "is_base64": True}
    assert json.loads(editable(letter)) == {"a": "\ufffd"}
    assert editable({"reason": "malformed_json", "payload": '{"a"', "is_base64": False}) == '{"a"'
    whole = {"reason": "delivered_too_often", "payload": '{"events":[]}', "is_base64": False}
    assert editable(whole) == "", "one event takes the place of whole requests"
