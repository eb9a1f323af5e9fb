"""YAML with the place of every value in the text, so that an error can name line and column."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from echolead.rules.errors import BadRules, LocatedProblem

MAX_CHARACTERS = 256 * 1024
MAX_DEPTH = 30
# libyaml, where it is there, takes a fifth of the time.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# An escape in quotes can say what PostgreSQL's JSON cannot hold, or what no one sees.
UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")

Path = tuple[str | int, ...]

# The values of YAML 1.2: `no` is Norway or a word, 01310 a postal code, and a date stays as it is written.
WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,15})")
DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,15})\.[0-9]{1,15}")


@dataclass(frozen=True)
class LocatedDocument:
    """`content` of lists, mappings with texts as keys, texts, numbers, booleans and None; `places` by path.

    The path of a mapping's entry leads to its key, that of a list's entry to the entry.
    """

    content: Any
    places: Mapping[Path, tuple[int, int]]

    def problem(self, path: Path, message: str) -> LocatedProblem:
        """A problem at this path, or at the nearest thing around it that has a place."""
        while path not in self.places:
            path = path[:-1]
        return LocatedProblem(*self.places[path], message)


def read_yaml(text: str) -> LocatedDocument:
    """Raises `BadRules`: text that is no YAML, too long or too deep, with anchors or tags, or a key twice."""
    if len(text) > MAX_CHARACTERS:
        raise BadRules(
            [LocatedProblem(1, 1, f"The text is longer than {MAX_CHARACTERS:,} characters: write fewer rules.")]
        )
    try:
        _check_events(text)
        node = yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        raise BadRules([_of_yaml(error)]) from error
    except yaml.YAMLError as error:
        raise BadRules([LocatedProblem(1, 1, f"This is no YAML: {str(error).splitlines()[0]}.")]) from error
    places: dict[Path, tuple[int, int]] = {(): (1, 1)}
    content = None if node is None else _value(node, (), places)
    return LocatedDocument(content, places)


def _check_events(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise BadRules([_at(event.start_mark, "Anchors and aliases are not read: write it out.")])
        if getattr(event, "tag", None):
            raise BadRules([_at(event.start_mark, "Tags (!) are not read: put a text in quotes.")])
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise BadRules([_at(event.start_mark, f"This is deeper than {MAX_DEPTH} levels: use fewer all, any, not.")])


def _value(node: yaml.Node, path: Path, places: dict[Path, tuple[int, int]]) -> Any:
    if isinstance(node, yaml.MappingNode):
        return dict(_entries(node, path, places))
    if isinstance(node, yaml.SequenceNode):
        items = []
        for number, each in enumerate(node.value):
            places[*path, number] = _place(each.start_mark)
            items.append(_value(each, (*path, number), places))
        return items
    if UNWRITABLE.search(node.value):
        raise BadRules([_at(node.start_mark, "Control characters cannot be in a rule: leave them out.")])
    is_quoted = isinstance(node, yaml.ScalarNode) and bool(node.style)
    return node.value if is_quoted else scalar(node.value)


def _entries(node: yaml.MappingNode, path: Path, places: dict[Path, tuple[int, int]]) -> Iterator[tuple[str, Any]]:
    seen = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise BadRules([_at(key.start_mark, "A key is a word.")])
        if key.value in seen:
            raise BadRules([_at(key.start_mark, f"{key.value} is here twice: keep one.")])
        seen.add(key.value)
        places[*path, key.value] = _place(key.start_mark)
        yield key.value, _value(value, (*path, key.value), places)


def scalar(text: str) -> str | int | float | bool | None:
    """The value of a text without quotes."""
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    if INTEGER.fullmatch(text):
        return int(text)
    return float(text) if DECIMAL.fullmatch(text) else text


def _of_yaml(error: yaml.MarkedYAMLError) -> LocatedProblem:
    mark = error.problem_mark or error.context_mark
    said = error.problem or error.context or "it cannot be read"
    line, column = (1, 1) if mark is None else _place(mark)
    return LocatedProblem(line, column, f"This is no YAML: {said}.")


def _at(mark: Any, message: str) -> LocatedProblem:
    return LocatedProblem(*_place(mark), message)


def _place(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1
