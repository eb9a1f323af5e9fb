"""Multipart requests: fields are parameters, files are external tables, spooled as they arrive."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from echolead.embedded.clickhouse.body import Body
from echolead.embedded.clickhouse.errors import Code, WarehouseError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks


@dataclass
class Form:
    """The fields and the files of a form; closing it removes the files."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, IO[bytes]] = field(default_factory=dict)

    def close(self) -> None:
        for file in self.files.values():
            file.close()


def is_multipart(content_type: str) -> bool:
    """Whether a body of this type is a multipart form."""
    return content_type.lower().startswith("multipart/form-data")


async def read_form(body: Body, content_type: str, directory: Path, limit_bytes: int) -> Form:
    """Read the whole form. The fields together may have `limit_bytes`; files are written to disk.

    A part is a file when it has a file name; the table is named after the part, as in ClickHouse.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise WarehouseError(Code.BAD_ARGUMENTS, "The multipart body has no boundary")
    reader = _Reader(directory, limit_bytes)
    parser = MultipartParser(boundary, reader.callbacks())
    try:
        while piece := await body.piece():
            parser.write(piece)
        reader.check_complete()
    except MultipartParseError as error:
        reader.form.close()
        raise WarehouseError(Code.BAD_ARGUMENTS, f"The multipart body is malformed: {error}") from None
    except BaseException:
        reader.form.close()
        raise
    return reader.form


class _Reader:
    def __init__(self, directory: Path, limit_bytes: int) -> None:
        self.form = Form()
        self._is_complete = False
        self._directory = directory
        self._left_bytes = limit_bytes
        self._header = (bytearray(), bytearray())
        self._disposition = b""
        self._name = ""
        self._value = bytearray()
        self._file: IO[bytes] | None = None

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._complete,
        }

    def _begin(self) -> None:
        self._disposition, self._value, self._file = b"", bytearray(), None

    def _header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = bytes(value)
        self._header = (bytearray(), bytearray())

    def _headers_finished(self) -> None:
        options = parse_options_header(self._disposition)[1]
        self._name = options.get(b"name", b"").decode()
        if b"filename" in options:
            self._file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115  # closed with the form
            self.form.files[self._name] = self._file

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])
            return
        self._left_bytes -= end - start
        if self._left_bytes < 0:
            raise WarehouseError(Code.QUERY_IS_TOO_LARGE, "The fields of the form are too large")
        self._value += data[start:end]

    def _end(self) -> None:
        if self._file is None:
            self.form.fields[self._name] = self._value.decode()

    def _complete(self) -> None:
        self._is_complete = True

    def check_complete(self) -> None:
        if not self._is_complete:
            raise WarehouseError(Code.BAD_ARGUMENTS, "The multipart body is cut short")
