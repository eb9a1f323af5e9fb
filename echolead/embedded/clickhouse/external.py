"""External data: temporary tables sent with a request, which exist on its handle until the request ends."""

import json
import os
from collections.abc import Iterator, Mapping
from typing import IO

from echolead.embedded.clickhouse import sql
from echolead.embedded.clickhouse.engine import Handle
from echolead.embedded.clickhouse.errors import Code, WarehouseError


class ExternalTable:
    """One file of a multipart request, as a temporary table."""

    def __init__(self, name: str, data: IO[bytes], options: Mapping[str, str]) -> None:
        self._name = sql.quote_name(name)
        self._data = data
        self._format = options.get("format", "TabSeparated")
        if not self._format.isalnum():
            raise WarehouseError(Code.BAD_ARGUMENTS, f"{self._format} is not the name of a format")
        self._structure = _structure(name, options)

    @property
    def definition(self) -> str:
        """The statement that creates the table. The guard checks its structure, which is the client's text."""
        return f"CREATE TEMPORARY TABLE {self._name} ({self._structure}) ENGINE = Memory"

    def create(self, handle: Handle) -> None:
        """Create the empty table. The request's settings are applied later: they are for its query and its data."""
        columns = ", ".join(self._columns(handle))
        handle.run(f"CREATE TEMPORARY TABLE {self._name} ({columns}) ENGINE = Memory", "Null")

    def fill(self, handle: Handle) -> None:
        """Read the data. Raises `WarehouseError` with the engine's message when it does not fit the table."""
        self._data.flush()
        os.lseek(self._data.fileno(), 0, os.SEEK_SET)
        handle.run(
            f"INSERT INTO {self._name} FROM INFILE '/dev/fd/{self._data.fileno()}' COMPRESSION 'none' "
            f"FORMAT {self._format}",
            "Null",
        )

    def _columns(self, handle: Handle) -> Iterator[str]:
        """Names and types as the engine parses them: the client's text could contain more than a list of columns.

        Raises `WarehouseError` for anything else in it, for example a default expression.
        """
        described = handle.run(f"DESCRIBE TABLE null({sql.quote(self._structure)})", "JSONCompactEachRow").data
        for row in described.splitlines():
            name, type_name, *others = json.loads(row)
            if any(others):
                raise WarehouseError(Code.BAD_ARGUMENTS, f"External column {name} is more than a name and a type")
            yield f"{sql.quote_name(name)} {type_name}"

    def drop(self, handle: Handle) -> None:
        """Drop the table from a handle that is used again."""
        handle.run(f"DROP TEMPORARY TABLE IF EXISTS {self._name}", "Null")


def _structure(name: str, options: Mapping[str, str]) -> str:
    """`structure` is `name Type, …`; `types` is `Type, …` for columns `_1`, `_2`, …"""
    if "structure" in options:
        return options["structure"]
    if "types" not in options:
        raise WarehouseError(Code.BAD_ARGUMENTS, f"External table {name} has neither {name}_structure nor {name}_types")
    columns: list[str] = []
    depth = start = 0
    text = options["types"] + ","
    for position, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            columns.append(f"_{len(columns) + 1} {text[start:position].strip()}")
            start = position + 1
    return ", ".join(columns)
