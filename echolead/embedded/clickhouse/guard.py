"""What the engine alone would not refuse.

The embedded engine has no users, and under `readonly = 1` it still runs `file()` on any path, infers the structure of
files and addresses for DESCRIBE and EXPLAIN, and kills queries. So the reader's statements are looked at before they
run. `python()` reads variables of this very process, passwords among them, and is refused to everyone.
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

# Settings that no reader's query may bring: the mode itself, files, memory.
READER_MAY_NOT_SET = ("readonly", "allow_ddl", "format_schema", "max_memory_usage", "user_files", "custom_")


class Guard:
    """Decides on a statement from its tokens. `table_functions` are all the engine has."""

    def __init__(self, table_functions: Iterable[str]) -> None:
        self._reaching = REACHING_FUNCTIONS | ({name.lower() for name in table_functions} - HARMLESS_TABLE_FUNCTIONS)

    def check_settings(self, settings: Mapping[str, str]) -> None:
        """Raise `WarehouseError` when the reader's query brings a setting that could open what its statement may not.

        Some settings are expressions (`additional_table_filters`), some name files (`format_schema`).
        """
        for name, value in settings.items():
            if name.startswith(READER_MAY_NOT_SET):
                raise WarehouseError(Code.READONLY, f"Cannot modify '{name}' setting in readonly mode.")
            # Filters are text within text: the quotes of each level are taken off to see what is called inside.
            inner = value.replace("\\", "").replace("'", " ").replace('"', " ").replace("`", " ").encode()
            for function in sorted(_called(tuple(tokens(inner))) & self._reaching):
                raise WarehouseError(Code.READONLY, f"reader: Cannot use the function {function} in readonly mode.")

    def check(self, statement: Statement, *, is_readonly: bool) -> None:
        """Raise `WarehouseError` when the user may not run this."""
        called = _called(statement.tokens)
        for name in sorted(called & {"python", "eval"}):
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


def _called(tokens: tuple[Token, ...]) -> set[str]:
    """Names used as functions: before a parenthesis, or handed to APPLY."""
    called = set()
    for index, token in enumerate(tokens):
        name = token.name.decode(errors="replace")
        if not name:
            continue
        following = tokens[index + 1].text if index + 1 < len(tokens) else b""
        before = [earlier.upper for earlier in tokens[max(0, index - 2) : index]]
        if following == b"(" or before[-1:] == [b"APPLY"] or before == [b"APPLY", b"("]:
            called.add(name)
    return called
