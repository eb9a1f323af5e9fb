"""YAML with the place of every value."""

import pytest

from echolead.rules.document import MAX_CHARACTERS, read_yaml
from echolead.rules.errors import BadRules


def test_values_are_those_of_yaml_1_2() -> None:
    text = "[no, yes, 01310, 2026-03-01, 1.50, -3, true, null, 'true', \"7\", 1_000, 0x10, 12:30]"
    assert read_yaml(text).content == [
        *("no", "yes", "01310", "2026-03-01", 1.5, -3, True, None, "true", "7", "1_000", "0x10", "12:30"),
    ]


def test_every_key_and_entry_has_its_place() -> None:
    places = read_yaml("rules:\n  - id: a\n    then:\n      - points: 3\n").places
    assert places["rules", 0, "then", 0, "points"] == (4, 9)
    assert places["rules", 0, "id"] == (2, 5)


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        pytest.param("a: 1\nb: [1, 2\n", "line 3, column 1", "no YAML", id="a list without an end"),
        pytest.param("a: 1\na: 2\n", "line 2, column 1", "twice", id="a key twice"),
        pytest.param("a: &x 1\n", "line 1, column 4", "Anchors", id="an anchor"),
        pytest.param("a: !!python/object:os.system x\n", "line 1, column 4", "Tags", id="a tag"),
        pytest.param("? [a]\n: 1\n", "line 1, column 3", "A key is a word", id="a list as a key"),
        pytest.param("[" * 100_000, "line 1, column 31", "deeper", id="a hundred thousand lists in one another"),
        pytest.param("a: \x00", "line 1, column 1", "no YAML", id="a NUL"),
        pytest.param('a: "x\\0"', "line 1, column 4", "Control characters", id="an escaped NUL"),
        pytest.param('a: "\\ud800"', "line 1, column", "character", id="half a character"),
        pytest.param("a: 1\n---\nb: 2\n", "line 2, column 1", "no YAML", id="two documents"),
        pytest.param("a" * (MAX_CHARACTERS + 1), "line 1, column 1", "longer", id="a text too long"),
    ],
)
def test_what_is_no_document_is_refused_with_its_place(text: str, place: str, said: str) -> None:
    with pytest.raises(BadRules) as caught:
        read_yaml(text)
    assert str(caught.value).startswith(place)
    assert said in str(caught.value)
