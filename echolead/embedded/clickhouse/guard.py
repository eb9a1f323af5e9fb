"""What the engine alone would not refuse.

The embedded engine has no users, and under `readonly = 1` it still runs `file()` on any path, infers the structure of
files and addresses for DESCRIBE and EXPLAIN, and kills queries. So the reader's statements are looked at before they
run. `python()` reads variables of this very process, passwords among them, and `eval()` runs text that nobody has
looked at: both are refused to everyone.
"""

from collections.abc import Iterable, Mapping

from echolead.embedded.clickhouse.errors import Code, WarehouseError
from echolead.embedded.clickhouse.sql import Shape, Statement, Token, tokens

# Table functions that reach nothing outside the warehouse.
HARMLESS_TABLE_FUNCTIONS = frozenset({
    "numbers", "numbers_mt", "zeros", "zeros_mt", "primes", "values", "sqlstandardvalues", "null", "view", "format",
    "input", "generaterandom", "generateseries", "generate_series", "merge", "loop", "dictionary", "mergetreeindex",
})  # fmt: skip
# Ordinary functions that read files, connect, or look names up.
REACHING_FUNCTIONS = frozenset({"file", "hascolumnintable", "reversednsquery", "catboostevaluate"})
EVERYONES_TABOO = frozenset({"python", "eval"})

# Settings a reader's request may bring: how an answer is written, what it may cost, which rows it holds. A list of what
# may, not of what may not: `dialect` alone would make every look at a statement worthless.
READER_MAY_SET = frozenset({
    "additional_result_filter", "additional_table_filters", "aggregate_functions_null_for_empty",
    "cast_string_to_dynamic_use_inference", "cast_string_to_variant_use_inference", "extremes", "final",
    "join_use_nulls", "limit", "log_comment", "max_block_size", "max_execution_time", "max_result_bytes",
    "max_result_rows", "max_rows_to_read", "max_bytes_to_read", "max_threads", "offset", "read_overflow_mode",
    "result_overflow_mode", "session_timezone", "timeout_overflow_mode", "totals_mode", "use_client_time_zone",
})  # fmt: skip
READER_MAY_SET_PREFIXES = ("output_format_", "input_format_", "date_time_")
READER_MAX_SECONDS = 300


class Guard:
    """Decides on a statement from its tokens. `table_functions` are all the engine has."""

    def __init__(self, table_functions: Iterable[str]) -> None:
        self._reaching = REACHING_FUNCTIONS | ({name.lower() for name in table_functions} - HARMLESS_TABLE_FUNCTIONS)

    def check_settings(self, settings: Mapping[str, str]) -> None:
        """Raise `WarehouseError` when the reader's request brings a setting that it may not.

        `additional_table_filters` and `additional_result_filter` are expressions: they are looked at like statements.
        """
        for name, value in settings.items():
            if name not in READER_MAY_SET and not name.startswith(READER_MAY_SET_PREFIXES):
                raise WarehouseError(Code.READONLY, f"Cannot modify '{name}' setting in readonly mode.")
            if name == "max_execution_time" and not _is_between(value, 0, READER_MAX_SECONDS):
                raise WarehouseError(
                    Code.READONLY, f"Setting max_execution_time shouldn't be greater than {READER_MAX_SECONDS}."
                )
            # Filters are text within text: the quotes of each level are taken off to see what is called inside.
            inner = value.translate({ord(mark): " " for mark in "'\"`\\"}).encode()
            for function in sorted(_called(tuple(tokens(inner))) & (self._reaching | EVERYONES_TABOO)):
                raise WarehouseError(Code.READONLY, f"reader: Cannot use the function {function} in readonly mode.")

    def check(self, statement: Statement, *, is_readonly: bool) -> None:
        """Raise `WarehouseError` when the user may not run this."""
        called = _called(statement.tokens)
        for name in sorted(called & EVERYONES_TABOO):
            raise WarehouseError(Code.ACCESS_DENIED, f"The table function {name} is not available")
        if not is_readonly:
            return
        if statement.shape is not Shape.READ and statement.kind not in {b"USE", b"SET"}:
            raise WarehouseError(Code.READONLY, "reader: Cannot execute query in readonly mode.")
        for name in sorted(called & self._reaching):
            raise WarehouseError(Code.READONLY, f"reader: Cannot use the function {name} in readonly mode.")
        if any(token.name.startswith(b"additional_") for token in statement.tokens):
            raise WarehouseError(Code.READONLY, "reader: Filters come with the request, not in the statement.")
        if any(token.kind == "quoted" and b"/" in token.text for token in statement.tokens):
            raise WarehouseError(Code.READONLY, "reader: Cannot read files in readonly mode.")


def _is_between(value: str, above: float, most: float) -> bool:
    try:
        return above < float(value) <= most
    except ValueError:
        return False


def _called(found: tuple[Token, ...]) -> set[str]:
    """Names used as functions: before a parenthesis, or handed to APPLY."""
    called = set()
    for index, token in enumerate(found):
        name = token.name.decode(errors="replace")
        if not name:
            continue
        following = found[index + 1].text if index + 1 < len(found) else b""
        before = [earlier.upper for earlier in found[max(0, index - 2) : index]]
        if following == b"(" or before[-1:] == [b"APPLY"] or before == [b"APPLY", b"("]:
            called.add(name)
    return called
