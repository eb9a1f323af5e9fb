"""Bodies in every encoding, in pieces, in several frames."""

import gzip
import zlib
from collections.abc import Callable

import brotli
import lz4.frame
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from echolead.embedded.clickhouse.compression import PIECE_BYTES, choose, decoder, encoder
from echolead.embedded.clickhouse.errors import Code, WarehouseError

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "gz": gzip.compress,
    "deflate": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstd.compress,
    "br": brotli.compress,
}
WITH_FRAMES = ["gzip", "gz", "deflate", "lz4", "zstd"]


def decoded(encoding: str, *pieces: bytes) -> bytes:
    stream = decoder(encoding)
    result = b"".join(part for piece in pieces for part in stream.feed(piece))
    stream.finish()
    return result


@given(st.sampled_from(WITH_FRAMES), st.lists(st.binary(), min_size=1, max_size=5), st.integers(1, 50))
def test_all_frames_are_decoded_wherever_the_body_is_cut(encoding: str, blocks: list[bytes], size: int) -> None:
    body = b"".join(COMPRESS[encoding](block) for block in blocks)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    assert decoded(encoding, *pieces) == b"".join(blocks)


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_body_that_is_cut_short_is_an_error(encoding: str) -> None:
    body = COMPRESS[encoding](b"some rows" * 100)
    with pytest.raises(WarehouseError) as caught:
        decoded(encoding, body[:-3])
    assert caught.value.code == Code.CANNOT_DECOMPRESS


@pytest.mark.parametrize("encoding", ["gzip", "lz4", "zstd", "br"])
def test_a_body_that_is_something_else_is_an_error(encoding: str) -> None:
    with pytest.raises(WarehouseError):
        decoded(encoding, b"INSERT INTO t FORMAT CSV\n1,2,3\n")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "lz4", "zstd", "br"])
def test_flushed_data_can_be_read_before_the_end(encoding: str) -> None:
    write, read = encoder(encoding), decoder(encoding)
    for row in (b"first", b"", b"second"):
        assert b"".join(read.feed(write.feed(row) + write.flush())) == row
    assert b"".join(read.feed(write.finish())) == b""
    read.finish()


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_few_bytes_that_stand_for_many_come_out_in_bounded_pieces(encoding: str) -> None:
    stream = decoder(encoding)
    sizes = [len(part) for part in stream.feed(COMPRESS[encoding](bytes(8_000_000)))]
    assert sum(sizes) == 8_000_000
    assert max(sizes) <= 16 * PIECE_BYTES


def test_deflate_without_its_header_is_read_too() -> None:
    raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    assert decoded("deflate", raw.compress(b"abc") + raw.flush()) == b"abc"


def test_an_unknown_encoding_is_named() -> None:
    with pytest.raises(WarehouseError, match="Unknown Content-Encoding snappy"):
        decoder("snappy")


@given(st.sampled_from(["gzip", "deflate", "lz4", "zstd", "br"]), st.lists(st.binary(), max_size=5))
def test_data_encoded_in_pieces_is_decoded_as_one(encoding: str, pieces: list[bytes]) -> None:
    stream = encoder(encoding)
    body = b"".join(stream.feed(piece) for piece in pieces) + stream.finish()
    assert decoded(encoding, body) == b"".join(pieces)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        pytest.param("lz4,br,gzip", "lz4", id="first one known"),
        pytest.param("snappy, gzip;q=0.5", "gzip", id="unknown ones are passed over"),
        pytest.param("br;q=0, deflate", "deflate", id="refused by q=0"),
        pytest.param("gz", "gzip", id="short name"),
        pytest.param("", "", id="none"),
    ],
)
def test_the_first_encoding_both_know_is_chosen(accept: str, chosen: str) -> None:
    assert choose(accept) == chosen
