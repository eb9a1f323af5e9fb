"""The event contract's own small rules."""

import pytest

from echolead.events import text_or_base64


@pytest.mark.parametrize(
    ("content", "payload"),
    [
        pytest.param('{"name": "Ana 🙂"}'.encode(), ('{"name": "Ana 🙂"}', False), id="text"),
        pytest.param(b"", ("", False), id="nothing"),
        pytest.param(b"\xff\x00a", ("/wBh", True), id="bytes that are not UTF-8"),
    ],
)
def test_a_payload_is_text_or_marked_as_base64(content: bytes, payload: tuple[str, bool]) -> None:
    assert text_or_base64(content) == payload
