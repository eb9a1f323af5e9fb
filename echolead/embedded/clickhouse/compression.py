"""Content encodings of request and answer bodies, decoded and encoded in pieces.

A body may consist of several frames (clients compress block by block); every decoder continues with the next frame, and
reports a last frame that is cut short. Decoders return bounded pieces, because a few hundred bytes can expand to
gigabytes.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import brotli
import lz4.frame
from backports import zstd

from echolead.embedded.clickhouse.errors import Code, WarehouseError

PIECE_BYTES = 1024 * 1024


class Decoder(Protocol):
    """Bytes in, decoded bytes out.

    The iterator of one `feed` must be read to its end before the next `feed`. `finish` raises `WarehouseError` if the
    last frame is incomplete.
    """

    def feed(self, data: bytes) -> Iterator[bytes]: ...
    def finish(self) -> None: ...


class Encoder(Protocol):
    """Bytes in, encoded bytes out. After `flush` the output so far decodes to all of the input."""

    def feed(self, data: bytes) -> bytes: ...
    def flush(self) -> bytes: ...
    def finish(self) -> bytes: ...


class _Identity:
    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        return None


class _ZlibFrame:
    """zlib's decompressor with the interface of those of lz4 and zstd."""

    def __init__(self, window_bits: int) -> None:
        self._stream = zlib.decompressobj(window_bits)
        self._waiting = b""

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    def decompress(self, data: bytes, max_length: int) -> bytes:
        decoded = self._stream.decompress(self._waiting + data, max_length)
        self._waiting = self._stream.unconsumed_tail
        return decoded


class _Frames:
    """Decodes consecutive frames; `new_frame` makes a frame's decompressor from the first bytes of the body."""

    def __init__(self, encoding: str, new_frame: Callable[[bytes], Any]) -> None:
        self._encoding = encoding
        self._new_frame = new_frame
        self._frame: Any = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._frame is None or self._frame.eof:
                self._frame = self._new_frame(data)
            yield self._decompress(data)
            while not self._frame.eof and not self._frame.needs_input:
                yield self._decompress(b"")
            data = (self._frame.unused_data or b"") if self._frame.eof else b""

    def finish(self) -> None:
        if self._frame is not None and not self._frame.eof:
            raise WarehouseError(Code.CANNOT_DECOMPRESS, f"The {self._encoding} body is cut short")

    def _decompress(self, data: bytes) -> bytes:
        try:
            return bytes(self._frame.decompress(data, PIECE_BYTES))
        except (zlib.error, RuntimeError, zstd.ZstdError) as error:
            raise WarehouseError(Code.CANNOT_DECOMPRESS, f"The body is not {self._encoding}: {error}") from None


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()
        self._is_empty = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._is_empty = self._is_empty and not data
        try:
            # `can_accept_more_data` can be true while output remains: only an empty piece means that none is left.
            while piece := bytes(self._stream.process(data, output_buffer_limit=PIECE_BYTES)):
                yield piece
                data = b""
        except brotli.error as error:
            raise WarehouseError(Code.CANNOT_DECOMPRESS, f"The body is not br: {error}") from None

    def finish(self) -> None:
        if not self._is_empty and not self._stream.is_finished():
            raise WarehouseError(Code.CANNOT_DECOMPRESS, "The br body is cut short")


def _deflate(start: bytes) -> _ZlibFrame:
    """`deflate` means zlib's format, but some clients omit its two-byte header: both forms are accepted."""
    has_header = (start[0] & 0x0F) == zlib.DEFLATED
    return _ZlibFrame(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)


_FRAMES: dict[str, Callable[[bytes], Any]] = {
    "gzip": lambda _start: _ZlibFrame(zlib.MAX_WBITS | 16),
    "deflate": _deflate,
    "lz4": lambda _start: lz4.frame.LZ4FrameDecompressor(),
    "zstd": lambda _start: zstd.ZstdDecompressor(),
}
ALIASES = {"gz": "gzip", "x-gzip": "gzip"}


def decoder(encoding: str) -> Decoder:
    """Decoder of a Content-Encoding. Raises `WarehouseError` for an unknown one."""
    encoding = encoding.strip().lower()
    encoding = ALIASES.get(encoding, encoding)
    if encoding in {"", "identity"}:
        return _Identity()
    if encoding == "br":
        return _Brotli()
    if encoding in _FRAMES:
        return _Frames(encoding, _FRAMES[encoding])
    raise WarehouseError(
        Code.NOT_IMPLEMENTED, f"Unknown Content-Encoding {encoding}: use lz4, zstd, gzip, br or deflate"
    )


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._stream = zlib.compressobj(3, zlib.DEFLATED, window_bits)

    def feed(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def flush(self) -> bytes:
        return self._stream.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._stream.flush()


class _Zstd:
    def __init__(self) -> None:
        self._stream = zstd.ZstdCompressor(level=1)

    def feed(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def flush(self) -> bytes:
        return self._stream.flush(zstd.ZstdCompressor.FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._stream.flush()


class _Lz4:
    def __init__(self) -> None:
        self._context = lz4.frame.create_compression_context()
        self._header = lz4.frame.compress_begin(self._context)

    def feed(self, data: bytes) -> bytes:
        return self._after_header(lz4.frame.compress_chunk(self._context, data))

    def flush(self) -> bytes:
        return self._after_header(lz4.frame.compress_flush(self._context, end_frame=False))

    def finish(self) -> bytes:
        return self._after_header(lz4.frame.compress_flush(self._context))

    def _after_header(self, data: bytes) -> bytes:
        header, self._header = self._header, b""
        return bytes(header + data)


class _BrotliEncoder:
    def __init__(self) -> None:
        self._stream = brotli.Compressor(quality=1)

    def feed(self, data: bytes) -> bytes:
        return bytes(self._stream.process(data))

    def flush(self) -> bytes:
        return bytes(self._stream.flush())

    def finish(self) -> bytes:
        return bytes(self._stream.finish())


_ENCODERS: dict[str, Callable[[], Encoder]] = {
    "lz4": _Lz4,
    "zstd": _Zstd,
    "gzip": lambda: _Zlib(zlib.MAX_WBITS | 16),
    "br": _BrotliEncoder,
    "deflate": lambda: _Zlib(zlib.MAX_WBITS),
}


def choose(accept_encoding: str) -> str:
    """The first supported encoding in the client's list, "" for none. Entries with `q=0` are refusals."""
    for entry in accept_encoding.lower().split(","):
        name, _, quality = entry.strip().partition(";")
        if quality.replace(" ", "") in {"q=0", "q=0.0"}:
            continue
        name = ALIASES.get(name.strip(), name.strip())
        if name in _ENCODERS:
            return name
    return ""


def encoder(encoding: str) -> Encoder:
    """Encoder of one of the names `choose` returns."""
    return _ENCODERS[encoding]()
