"""The shape of a statement: its kind, where its FORMAT is, and where the data of an INSERT begins.

This is only a lexer: the engine parses, and clients see its errors. The server needs some facts before it runs a
statement, which ClickHouse takes from its parser: the output format (for the answer's headers), the place where an
INSERT's data begins, and whether a second statement follows a semicolon.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from echolead.embedded.clickhouse.errors import Code, WarehouseError

# The engine's lexer reads these non-ASCII characters as spaces: U+0085, 00A0, 180E, 2000 to 200D, 2028, 2029, 202F,
# 205F, 2060, 3000, FEFF (tested with the engine, character by character). It also reads ‘…’ as a string and “…” as a
# quoted name.
_WIDE_SPACE = (
    rb"\xc2[\x85\xa0] | \xe1\xa0\x8e | \xe2\x80[\x80-\x8d\xa8\xa9\xaf] | \xe2\x81[\x9f\xa0]"
    rb" | \xe3\x80\x80 | \xef\xbb\xbf"
)
_TOKEN = re.compile(
    rb"""
      (?P<space>  (?: [\s\x00]+ | --[^\n]* | \#[!\ ][^\n]* | /\*.*?\*/ | %(wide)s )+ )
    | (?P<string> '[^'\\]*(?:(?:\\.|'')[^'\\]*)*' | \xe2\x80\x98.*?\xe2\x80\x99 )
    | (?P<quoted> "[^"\\]*(?:(?:\\.|"")[^"\\]*)*" | `[^`\\]*(?:(?:\\.|``)[^`\\]*)*` | \xe2\x80\x9c.*?\xe2\x80\x9d )
    | (?P<heredoc> \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<word>   [A-Za-z_][\w$]* )
    | (?P<number> \d[\w.]* )
    | (?P<mark>   . )
    """
    % {b"wide": _WIDE_SPACE},
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(rb"--[^\n]*|\#[!\ ][^\n]*|/\*.*?\*/", re.DOTALL)
_CURLY = 0xE2  # first byte of a curly quote
_AFTER_FORMAT = re.compile(rb"[ \t\f]*;?[ \t\f]*\r?\n?")

SELECTS = frozenset({b"SELECT", b"WITH", b"FROM", b"("})
"""First words of the statements whose result the engine returns block by block."""
READS = SELECTS | {b"SHOW", b"DESCRIBE", b"DESC", b"EXPLAIN", b"EXISTS"}
"""First words of the statements whose result can be streamed out of the engine."""
ANSWERS = frozenset({b"KILL", b"CHECK", b"BACKUP", b"RESTORE"})
"""First words of the commands that return rows, possibly none."""

# The statements of models are long and the same in every turn. Shorter ones are read at once.
KEPT_STATEMENTS = 64
KEPT_BYTES = range(2_000, 100_000)


class Shape(Enum):
    """How a statement is run."""

    READ = "read"  # returns rows
    INSERT_DATA = "insert data"  # followed by data in a format
    COMMAND = "command"  # anything else, INSERT … SELECT included


@dataclass(frozen=True)
class Token:
    """One significant token; `upper` is empty for strings, so that a string cannot match a keyword."""

    kind: str
    text: bytes
    start: int
    end: int

    @property
    def upper(self) -> bytes:
        return self.text.upper() if self.kind in {"word", "mark"} else b""

    @property
    def inner(self) -> bytes:
        """The text of a string or a quoted name without its quotes."""
        return self.text[3:-3] if self.text[0] == _CURLY else self.text[1:-1]

    @property
    def name(self) -> bytes:
        """The identifier, quoted or not, in lower case."""
        if self.kind == "quoted":
            return self.inner.lower()
        return self.text.lower() if self.kind == "word" else b""


@dataclass(frozen=True)
class Statement:
    """A statement cut at its seams.

    `head` runs to where FORMAT (or the data, or the end) begins, `format` is the name after FORMAT ("" without one),
    `tail` a SETTINGS clause after it. For INSERT_DATA, `data` is what follows in the same text, `seam` the place in
    `head` where FROM INFILE goes, and `input_call` the `input(` of an INSERT … SELECT … FROM input(…).
    """

    shape: Shape
    kind: bytes
    head: bytes
    format: str
    tail: bytes
    tokens: tuple[Token, ...]
    data: bytes = b""
    seam: int = 0
    input_call: Token | None = None


def tokens(text: bytes) -> Iterator[Token]:
    """The significant tokens of `text`, lazily: text after the last requested token is not read."""
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or "mark"
        if kind == "space":
            continue
        kind = "heredoc" if kind == "tag" else kind
        yield Token(kind, found.group(), found.start(), found.end())


def foreign_characters(text: bytes) -> bytes:
    """The first token or blank outside of quotes and comments that is not ASCII; empty when there is none."""
    for found in _TOKEN.finditer(text):
        piece = found.group()
        if found.lastgroup == "space":
            piece = _COMMENT.sub(b"", piece)
        if found.lastgroup not in {"string", "quoted", "heredoc", "tag"} and not piece.isascii():
            return piece
    return b""


def parse(text: bytes) -> Statement:
    """Find the seams. Raises `WarehouseError` for an empty text and for statements a server refuses over HTTP."""
    return _kept(text) if len(text) in KEPT_BYTES else _parse(text)


def _parse(text: bytes) -> Statement:
    first = next(tokens(text), None)
    if first is None or first.text == b";":
        raise WarehouseError(Code.SYNTAX_ERROR, "Syntax error: failed at position 1 (end of query): empty query.")
    if first.upper in {b"INSERT", b"WITH"}:
        return _insert(text) or _other(text, first)
    return _other(text, first)


_kept = lru_cache(KEPT_STATEMENTS)(_parse)


def _other(text: bytes, first: Token) -> Statement:
    found = _single(text)
    depth = 0
    for index, token in enumerate(found):
        depth += _nesting(token)
        if depth == 0 and token.upper == b"INTO" and _upper(found, index + 1) == b"OUTFILE":
            raise WarehouseError(Code.INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE is not allowed")
    end = found[-1].end
    at = _trailing_format(found)
    shape = Shape.READ if first.upper in READS and not _inserts(found) else Shape.COMMAND
    if at is None:
        return Statement(shape, first.upper, text[:end], "", b"", tuple(found))
    name = found[at + 1]
    return Statement(
        shape, first.upper, text[: found[at].start], name.text.decode(), text[name.end : end], tuple(found)
    )


def _single(text: bytes) -> list[Token]:
    """All tokens of one statement, without its closing semicolons."""
    found: list[Token] = []
    closed = False
    for token in tokens(text):
        if token.text == b";":
            closed = True
        elif closed:
            raise WarehouseError(
                Code.SYNTAX_ERROR,
                f"Syntax error (Multi-statements are not allowed): failed at position {token.start + 1}",
            )
        else:
            found.append(token)
    return found


def _trailing_format(found: list[Token]) -> int | None:
    """Index of a closing `FORMAT name`, which a SETTINGS clause may follow."""
    depth = 0
    for index in range(len(found) - 2, 0, -1):
        depth -= _nesting(found[index])
        if depth == 0 and found[index].upper == b"FORMAT" and found[index + 1].kind == "word":
            after = _upper(found, index + 2)
            is_closing = len(found) == index + 2 or len(found) >= index + 4
            return index if after in {b"", b"SETTINGS"} and is_closing else None
    return None


def _inserts(found: list[Token]) -> bool:
    """Whether a statement that starts with WITH also writes: `WITH … INSERT INTO`, but not after `EXPLAIN`."""
    if found[0].upper != b"WITH":
        return False
    depth = 0
    for index, token in enumerate(found):
        depth += _nesting(token)
        if depth == 0 and token.upper == b"INSERT" and _upper(found, index + 1) == b"INTO":
            return True
    return False


def _insert(text: bytes) -> Statement | None:
    """An INSERT with data, with or without a WITH before it; None for anything else.

    Reads until the data begins and not a byte further: data is not SQL.
    """
    found: list[Token] = []
    depth = 0
    start: int | None = None  # index of INSERT
    selects = False
    settings: Token | None = None
    input_call: Token | None = None
    for token in tokens(text):
        depth += _nesting(token)
        before = found[-1] if found else None
        found.append(token)
        if start is None:
            start = _start_of_insert(found) if depth == 0 else None
            if start is None and depth == 0 and token.upper == b"SELECT":
                return None
            continue
        if before is None or before.text == b".":
            continue
        selects = selects or token.upper in {b"SELECT", b"WITH"}
        if token.text == b"(" and before.name == b"input":
            input_call = Token("call", b"input(", before.start, token.end)
        if depth != 0 or len(found) - 1 <= _target(found, start):  # a table may be called `values` or `format`
            continue
        if token.upper == b"INFILE" and before.upper == b"FROM":
            raise WarehouseError(Code.SYNTAX_ERROR, "FROM INFILE is not allowed over HTTP: send the data in the body")
        if token.upper == b"SETTINGS":
            settings = token
        is_format = _names_format(found, start) and (not selects or input_call is not None)
        if is_format or (token.upper == b"VALUES" and not selects):
            end = before.start if is_format else token.start
            return Statement(
                Shape.INSERT_DATA,
                b"INSERT",
                head=text[:end],
                format=token.text.decode() if is_format else "Values",
                tail=b"",
                tokens=tuple(found),
                data=text[_data_start(text, token.end) :],
                seam=settings.start if settings is not None else end,
                input_call=input_call,
            )
    return None


def _start_of_insert(found: list[Token]) -> int | None:
    """Index of an INSERT that the last token confirms: INSERT is the first token, or INTO follows it."""
    if len(found) == 1 and found[0].upper == b"INSERT":
        return 0
    if found[-1].upper == b"INTO" and found[-2].upper == b"INSERT":
        return len(found) - 2
    return None


def _target(found: list[Token], start: int) -> int:
    """Index of the table's name: after INSERT, and INTO and TABLE or FUNCTION, which are optional."""
    index = start + (2 if _upper(found, start + 1) == b"INTO" else 1)
    return index + 1 if _upper(found, index) in {b"TABLE", b"FUNCTION"} else index


def _names_format(found: list[Token], start: int) -> bool:
    """Whether the last token is the name after the keyword FORMAT, and FORMAT is not the table's name."""
    keyword = len(found) - 2
    return (
        found[keyword].upper == b"FORMAT"
        and found[-1].kind == "word"
        and keyword > _target(found, start)
        and found[keyword - 1].text != b"."
    )


def _data_start(text: bytes, end: int) -> int:
    after = _AFTER_FORMAT.match(text, end)
    return after.end() if after else end


def _nesting(token: Token) -> int:
    if token.kind != "mark":
        return 0
    return {b"(": 1, b"[": 1, b"{": 1, b")": -1, b"]": -1, b"}": -1}.get(token.text, 0)


def _upper(found: list[Token], index: int) -> bytes:
    return found[index].upper if index < len(found) else b""


def quote(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quote_name(name: str) -> str:
    """A quoted identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
