"""Content encodings of request and answer bodies, decoded and encoded in pieces.

A body may be several frames one after another (clients compress block by block); every decoder here goes on to the
next frame, and says so when the last one is cut short.
"""

import zlib
from typing import Protocol

import brotli
import lz4.frame
import zstandard

from echolead.embedded.clickhouse.errors import Code, WarehouseError


class Decoder(Protocol):
    """Bytes in, decoded bytes out; `finish` raises `WarehouseError` when the last frame has no end."""

    def feed(self, data: bytes) -> bytes: ...
    def finish(self) -> None: ...


class Encoder(Protocol):
    """Bytes in, encoded bytes out."""

    def feed(self, data: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


class _Identity:
    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> None:
        return None


class _Frames:
    """Decoder for encodings whose library stops at the end of a frame and keeps what follows it."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._frame = _NEW_FRAME[encoding]()
        self._is_empty = True

    def feed(self, data: bytes) -> bytes:
        decoded = []
        while data:
            if self._frame.eof:
                self._frame = _NEW_FRAME[self._encoding]()
            try:
                decoded.append(self._frame.decompress(data))
            except (zlib.error, RuntimeError, zstandard.ZstdError) as error:
                raise WarehouseError(Code.CANNOT_DECOMPRESS, f"The body is not {self._encoding}: {error}") from None
            self._is_empty = False
            data = (self._frame.unused_data or b"") if self._frame.eof else b""
        return b"".join(decoded)

    def finish(self) -> None:
        if not self._is_empty and not self._frame.eof:
            raise WarehouseError(Code.CANNOT_DECOMPRESS, f"The {self._encoding} body is cut short")


class _Deflate(_Frames):
    """`deflate` means zlib's format, yet some clients send it without its two-byte header: both are read."""

    def feed(self, data: bytes) -> bytes:
        if self._is_empty and data and (data[0] & 0x0F) != zlib.DEFLATED:
            self._frame = zlib.decompressobj(-zlib.MAX_WBITS)
        return super().feed(data)


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()
        self._is_empty = True

    def feed(self, data: bytes) -> bytes:
        self._is_empty = self._is_empty and not data
        try:
            return bytes(self._stream.process(data)) if data else b""
        except brotli.error as error:
            raise WarehouseError(Code.CANNOT_DECOMPRESS, f"The body is not br: {error}") from None

    def finish(self) -> None:
        if not self._is_empty and not self._stream.is_finished():
            raise WarehouseError(Code.CANNOT_DECOMPRESS, "The br body is cut short")


_NEW_FRAME = {
    "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "deflate": lambda: zlib.decompressobj(),
    "lz4": lambda: lz4.frame.LZ4FrameDecompressor(),
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
}
ALIASES = {"gz": "gzip", "x-gzip": "gzip"}


def decoder(encoding: str) -> Decoder:
    """Decoder of a Content-Encoding. Raises `WarehouseError` for one nobody here knows."""
    encoding = ALIASES.get(encoding.strip().lower(), encoding.strip().lower())
    if encoding in {"", "identity"}:
        return _Identity()
    if encoding == "br":
        return _Brotli()
    if encoding == "deflate":
        return _Deflate(encoding)
    if encoding in _NEW_FRAME:
        return _Frames(encoding)
    raise WarehouseError(
        Code.NOT_IMPLEMENTED, f"Unknown Content-Encoding {encoding}: use lz4, zstd, gzip, br or deflate"
    )


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._stream = zlib.compressobj(3, zlib.DEFLATED, window_bits)

    def feed(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def finish(self) -> bytes:
        return self._stream.flush()


class _Zstd:
    def __init__(self) -> None:
        self._stream = zstandard.ZstdCompressor(level=1).compressobj()

    def feed(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def finish(self) -> bytes:
        return self._stream.flush()


class _Lz4:
    def __init__(self) -> None:
        self._stream = lz4.frame.LZ4FrameCompressor()
        self._header = self._stream.begin()

    def feed(self, data: bytes) -> bytes:
        header, self._header = self._header, b""
        return bytes(header + self._stream.compress(data))

    def finish(self) -> bytes:
        header, self._header = self._header, b""
        return bytes(header + self._stream.flush())


class _BrotliEncoder:
    def __init__(self) -> None:
        self._stream = brotli.Compressor(quality=1)

    def feed(self, data: bytes) -> bytes:
        return bytes(self._stream.process(data))

    def finish(self) -> bytes:
        return bytes(self._stream.finish())


_ENCODERS = {
    "lz4": _Lz4,
    "zstd": _Zstd,
    "gzip": lambda: _Zlib(zlib.MAX_WBITS | 16),
    "br": _BrotliEncoder,
    "deflate": lambda: _Zlib(zlib.MAX_WBITS),
}


def choose(accept_encoding: str) -> str:
    """The first encoding the client lists that we have, "" for none. Entries with `q=0` are refusals."""
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
    made: Encoder = _ENCODERS[encoding]()
    return made
