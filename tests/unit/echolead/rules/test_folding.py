"""Texts as rules compare them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echolead.rules.folding import folded


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("São Paulo", "sao paulo"),
        ("  AÇÃO\u00a0", "acao"),
        ("A\u0301gua", "agua"),
        ("ÁGUA", "agua"),
        ("İstanbul", "istanbul"),
        ("ΟΔΟΣ", "οδοσ"),
        ("straße", "straße"),
        ("a  b", "a  b"),
        ("\u3000\u2028", ""),
    ],
)
def test_a_text_is_folded(text: str, expected: str) -> None:
    assert folded(text) == expected


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert folded(folded(text)) == folded(text)
