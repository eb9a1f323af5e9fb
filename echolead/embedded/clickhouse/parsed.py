"""The names in a statement, from the engine's own syntax tree (`parseQueryToJSON`) instead of a second parser's.

The text is passed as a value and is not run; a second statement after a semicolon is a parse error.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from echolead.embedded.clickhouse.engine import Handle
from echolead.embedded.clickhouse.errors import Code, WarehouseError

Table = tuple[str, str]
"""Database ("" for the current one) and table."""

MAX_TEXT_BYTES = 64 * 1024 * 1024
PARSE = (
    "SELECT parseQueryToJSON({text:String})"
    f" SETTINGS max_query_size = {MAX_TEXT_BYTES}, max_parser_depth = 1000, dialect = 'clickhouse'"
)
FORMAT = PARSE.replace("parseQueryToJSON", "formatQuerySingleLine")
IN_FUNCTIONS = frozenset({"in", "notin", "nullin", "notnullin"})
IN_FUNCTIONS = IN_FUNCTIONS | {f"global{name}" for name in IN_FUNCTIONS}
TABLE_FUNCTION = "TABLE_FUNCTION"
NOT_CALLED = frozenset({TABLE_FUNCTION, "TABLE_ENGINE", "DATABASE_ENGINE", "CODEC", "BACKUP_NAME", "STATISTICS"})
SELECTS = frozenset({"SelectWithUnionQuery", "SelectIntersectExceptQuery", "SelectQuery"})
_WITHOUT_TREE = re.compile(r"AST node of type '([A-Za-z]+)")
_IN_SCOPE = re.compile(r": In scope SELECT (parseQueryToJSON|formatQuerySingleLine)\(.*", re.DOTALL)
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"})


@dataclass
class Parsed:
    """The names in one statement. Functions and settings are in lower case, tables are unchanged.

    `kind` is the engine's name for the statement. `has_tree` is False if the engine returns no tree for it; nothing
    else is known then.
    """

    kind: str
    has_tree: bool = True
    functions: set[str] = field(default_factory=set)
    table_functions: set[str] = field(default_factory=set)
    reads: set[Table] = field(default_factory=set)
    writes: set[Table] = field(default_factory=set)
    with_names: set[str] = field(default_factory=set)
    settings: set[str] = field(default_factory=set)
    dictionary_sources: list[dict[str, str]] = field(default_factory=list)
    names_files: bool = False


def parse(handle: Handle, text: str, parameters: Mapping[str, str]) -> Parsed:
    """The statement `text`, with its `{name:Identifier}` filled in from `parameters`.

    Raises `WarehouseError` with the engine's message for an invalid statement.
    """
    try:
        tree = json.loads(_ask(handle, PARSE, text))
    except RecursionError:
        raise WarehouseError(Code.TOO_DEEP_AST, "The statement is nested too deeply") from None
    except WarehouseError as error:
        found = _WITHOUT_TREE.search(str(error))
        if found is None:
            raise
        return _without_tree(handle, found.group(1), text, parameters)
    return _Walk(handle, parameters).statement(tree)


def _without_tree(handle: Handle, kind: str, text: str, parameters: Mapping[str, str]) -> Parsed:
    """DESCRIBE accepts the same as FROM: its tree is that of a SELECT from it. For others only the kind is known."""
    if kind == "DescribeQuery":
        described = _ask(handle, FORMAT, text).removeprefix("DESCRIBE TABLE ")
        parsed = parse(handle, f"SELECT * FROM {described}", parameters)  # noqa: S608  # parsed, never run
        parsed.kind = kind
        return parsed
    return Parsed(kind, has_tree=False)


def _ask(handle: Handle, question: str, text: str) -> str:
    try:
        return handle.run(question, "TSVRaw", {"text": text.translate(_ESCAPES)}).data.decode().removesuffix("\n")
    except WarehouseError as error:
        raise error.without(_IN_SCOPE) from None


class _Walk:
    """Visits every node of a tree once and collects the names in it."""

    def __init__(self, handle: Handle, parameters: Mapping[str, str]) -> None:
        self._handle = handle
        self._parameters = parameters

    def statement(self, tree: dict[str, Any]) -> Parsed:
        self.found = Parsed(tree["type"])
        self._visit(tree)
        return self.found

    def _visit(self, tree: dict[str, Any]) -> None:
        waiting: list[Any] = [tree]
        while waiting:
            node = waiting.pop()
            if isinstance(node, list):
                waiting.extend(node)
            elif isinstance(node, dict):
                note = getattr(self, f"_{node.get('type')}", None)
                if note is not None:
                    note(node)
                self._note_files(node)
                waiting.extend(node.values())

    def _note_files(self, node: dict[str, Any]) -> None:
        if "out_file" in node or "infile" in node or node.get("attach_from_path"):
            self.found.names_files = True

    def _TableIdentifier(self, node: dict[str, Any]) -> None:  # noqa: N802  # the engine's names of nodes, as below
        target = self.found.writes if self.found.kind == "DropQuery" else self.found.reads
        target.add(self._table(node))

    def _Function(self, node: dict[str, Any]) -> None:  # noqa: N802
        name = node["name"].lower()
        if node.get("kind") in NOT_CALLED:
            return
        self.found.functions.add(name)
        if name in IN_FUNCTIONS:
            # A bare name on the right is a table, or a column that contains an array.
            for right in node["arguments"]["children"][1:2]:
                if right["type"] == "Identifier":
                    self.found.reads.add(self._table(right))

    def _TableExpression(self, node: dict[str, Any]) -> None:  # noqa: N802
        if "table_function" in node:
            self._table_function(node["table_function"])

    def _table_function(self, node: dict[str, Any]) -> None:
        self.found.table_functions.add(node["name"].lower())
        node["kind"] = TABLE_FUNCTION

    def _ColumnsApplyTransformer(self, node: dict[str, Any]) -> None:  # noqa: N802
        if node.get("func_name"):
            self.found.functions.add(node["func_name"].lower())

    def _WithElement(self, node: dict[str, Any]) -> None:  # noqa: N802
        self.found.with_names.add(node["name"])

    def _SetQuery(self, node: dict[str, Any]) -> None:  # noqa: N802
        names = [change["name"] for change in node.get("changes", [])] + node.get("default_settings", [])
        self.found.settings.update(str(name).lower() for name in names)

    def _InsertQuery(self, node: dict[str, Any]) -> None:  # noqa: N802
        if "table_function" in node:
            self._table_function(node["table_function"])
        else:
            self._write(node)

    def _CreateQuery(self, node: dict[str, Any]) -> None:  # noqa: N802
        if not node.get("is_temporary"):
            self._write(node)
        if "as_table_function" in node:
            self._table_function(node["as_table_function"])
        if node.get("as_table"):
            self.found.reads.add((node.get("as_database", ""), node["as_table"]))
        for target in node.get("targets", {}).get("targets", []):
            if target.get("table_name"):
                self.found.writes.add((target.get("table_database", ""), target["table_name"]))

    def _AlterCommand(self, node: dict[str, Any]) -> None:  # noqa: N802
        if node.get("from_table"):
            self.found.reads.add((node.get("from_database", ""), node["from_table"]))
        if node.get("to_table"):
            self.found.writes.add((node.get("to_database", ""), node["to_table"]))

    def _RenameQuery(self, node: dict[str, Any]) -> None:  # noqa: N802
        for element in node["elements"]:
            for side in ("from", "to"):
                names = (element.get(f"{side}_{part}_ast", "") for part in ("database", "table"))
                database, table = map(self._name, names)
                self.found.writes.add((database, table))

    def _write(self, node: dict[str, Any]) -> None:
        database, table = (node.get(f"{part}_ast") or node.get(part, "") for part in ("database", "table"))
        self.found.writes.add((self._name(database), self._name(table)))

    def _DropQuery(self, node: dict[str, Any]) -> None:  # noqa: N802
        if "database_and_tables" not in node:
            self._write(node)

    _AlterQuery = _DeleteQuery = _UpdateQuery = _OptimizeQuery = _write

    def _UseQuery(self, node: dict[str, Any]) -> None:  # noqa: N802
        self.found.reads.add((self._name(node["database"]), ""))

    def _FunctionWithKeyValueArguments(self, node: dict[str, Any]) -> None:  # noqa: N802
        """The source of a dictionary, as `name` and its arguments; its `query` is another statement."""
        pairs = {pair["first"].lower(): _literal(pair["second"]) for pair in node["elements"].get("children", [])}
        self.found.dictionary_sources.append({**pairs, "name": node["name"].lower()})
        if "query" in pairs:
            inner = parse(self._handle, pairs["query"], {})
            self.found.functions |= inner.functions
            self.found.table_functions |= inner.table_functions
            self.found.reads |= inner.reads

    def _table(self, node: dict[str, Any]) -> Table:
        """The last two parts of an identifier; parameters among them are replaced by their values."""
        given = iter(list(self._given(node)))
        parts = [part or next(given, "") for part in node.get("name_parts", [node["name"]])]
        return (".".join(parts[:-1]), parts[-1])

    def _given(self, node: dict[str, Any]) -> Iterator[str]:
        for child in node.get("children", []):
            if child["type"] == "QueryParameter":
                yield self._parameters.get(child["name"], "")

    def _name(self, value: Any) -> str:
        """The table of a name that is a text in some trees and an identifier in others."""
        if isinstance(value, str):
            return value
        return next(self._given(value), "") or str(value["name"])


def _literal(node: dict[str, Any]) -> str:
    value = node.get("value", "")
    return str(value.get("value", "")) if isinstance(value, dict) else str(node.get("name", ""))
