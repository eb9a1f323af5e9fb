"""ClickHouse errors: code, text and HTTP status, as a ClickHouse server gives them."""

import re
from enum import IntEnum


class Code(IntEnum):
    """The codes this server gives by itself; all others come from the engine."""

    BAD_ARGUMENTS = 36
    NOT_IMPLEMENTED = 48
    UNKNOWN_TABLE = 60
    SYNTAX_ERROR = 62
    UNKNOWN_FORMAT = 73
    UNKNOWN_SETTING = 115
    TIMEOUT_EXCEEDED = 159
    READONLY = 164
    TOO_DEEP_AST = 167
    TOO_MANY_SIMULTANEOUS_QUERIES = 202
    QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING = 216
    NOT_ENOUGH_SPACE = 243
    CANNOT_DECOMPRESS = 271
    INTO_OUTFILE_NOT_ALLOWED = 358
    SESSION_NOT_FOUND = 372
    SESSION_IS_LOCKED = 373
    INVALID_SESSION_TIMEOUT = 374
    QUERY_WAS_CANCELLED = 394
    QUERY_IS_TOO_LARGE = 425
    ACCESS_DENIED = 497
    AUTHENTICATION_FAILED = 516
    UNKNOWN_EXCEPTION = 1002


_BAD_REQUEST = """
    BAD_ARGUMENTS CANNOT_COMPILE_REGEXP CANNOT_PARSE_DATE CANNOT_PARSE_DATETIME CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING
    CANNOT_PARSE_ESCAPE_SEQUENCE CANNOT_PARSE_INPUT_ASSERTION_FAILED CANNOT_PARSE_IPV4 CANNOT_PARSE_IPV6
    CANNOT_PARSE_NUMBER CANNOT_PARSE_QUOTED_STRING CANNOT_PARSE_TEXT CANNOT_PARSE_UUID DUPLICATE_COLUMN ILLEGAL_COLUMN
    INCORRECT_DATA INVALID_SESSION_TIMEOUT SYNTAX_ERROR THERE_IS_NO_COLUMN TOO_BIG_AST TOO_DEEP_AST TYPE_MISMATCH
    UNEXPECTED_AST_STRUCTURE UNKNOWN_ELEMENT_IN_AST UNKNOWN_TYPE_OF_AST_NODE VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
    CANNOT_DECOMPRESS
"""
_NOT_FOUND = """
    UNKNOWN_AGGREGATE_FUNCTION UNKNOWN_DATABASE UNKNOWN_DATABASE_ENGINE UNKNOWN_DIRECTION_OF_SORTING UNKNOWN_FORMAT
    UNKNOWN_FUNCTION UNKNOWN_IDENTIFIER UNKNOWN_ROLE UNKNOWN_SETTING UNKNOWN_STORAGE UNKNOWN_TABLE UNKNOWN_TYPE
    UNKNOWN_TYPE_OF_QUERY
"""
_STATUS = {
    **dict.fromkeys(_BAD_REQUEST.split(), 400),
    **dict.fromkeys(_NOT_FOUND.split(), 404),
    "AUTHENTICATION_FAILED": 403,
    "TIMEOUT_EXCEEDED": 408,
    "QUERY_IS_TOO_LARGE": 413,
    "NOT_IMPLEMENTED": 501,
    "SOCKET_TIMEOUT": 503,
    "CANNOT_SCHEDULE_TASK": 503,
    # A server says 500; clients try again after 503, which is what this error asks for.
    "TOO_MANY_SIMULTANEOUS_QUERIES": 503,
}

_CODE = re.compile(r"Code: (\d+)\.")
_WRAPPED = re.compile(
    r"Code: \d+\. DB::Exception: (Code: \d+\. DB::Exception: .*) \(version [^()]*\)\. \([A-Z_]+\)\Z", re.S
)
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)")


class WarehouseError(Exception):
    """A query or request that failed: ClickHouse's code, the name of the code, and the sentence."""

    def __init__(self, code: Code, sentence: str) -> None:
        super().__init__(sentence)
        self.code = int(code)
        self.name = code.name
        self._text = f"Code: {self.code}. DB::Exception: {sentence.rstrip('.')}. ({self.name})"

    @classmethod
    def from_engine(cls, message: str) -> "WarehouseError":
        """From the engine's own words: `Code: 60. DB::Exception: … (UNKNOWN_TABLE)`."""
        found = _CODE.search(message)
        if found is None:
            return cls(Code.UNKNOWN_EXCEPTION, message)
        error = cls(Code.UNKNOWN_EXCEPTION, message)
        error.code = int(found.group(1))
        names = _NAME.findall(message)
        error.name = names[-1] if names else ""
        error._text = _unwrapped(message[found.start() :].strip())
        return error

    def without(self, part: re.Pattern[str]) -> "WarehouseError":
        """The same error, its text without what `part` matches; the name of the error stays at its end."""
        found = part.search(self._text)
        if found is not None:
            self._text = f"{self._text[: found.start()].rstrip(' .')}. ({self.name})"
        return self

    @property
    def status(self) -> int:
        """HTTP status of an answer that is this error."""
        return _STATUS.get(self.name, 500)

    def text(self, version: str) -> str:
        """The error as a server writes it, with its version at the end."""
        return f"{self._text} (version {version})\n"


def _unwrapped(text: str) -> str:
    """The engine wraps the error of a bad format or setting in itself, once or twice: the innermost says it all."""
    while found := _WRAPPED.match(text):
        text = found.group(1)
    return text
