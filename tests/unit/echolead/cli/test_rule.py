"""What `echolead rule` prints."""

from echolead.cli.rule import _rows_of_examples


def test_each_change_of_each_lead_is_a_row() -> None:
    changes = {"score": [0, 40], "segments": [["Frio"], []], "route": [["", "", ""], ["", "Vendas", "ana"]]}
    rows = _rows_of_examples([{"lead_id": "a", "changes": changes}, {"lead_id": "b", "changes": {"score": [1, 2]}}])
    assert [tuple(row.values()) for row in rows] == [
        ("a", "score", "0", "40"),
        ("a", "segments", "Frio", "-"),
        ("a", "route", "-, -, -", "-, Vendas, ana"),
        ("b", "score", "1", "2"),
    ]
