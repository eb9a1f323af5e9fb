"""The change that a card of a figure shows."""

import pytest

from dashboards import cards
from dashboards.cards import Card, metric
from dashboards.texts import text_in
from echolead.languages import BY_CODE


@pytest.mark.parametrize(
    ("name", "now", "before", "shown"),
    [
        ("conversion", 0.03, 0.02, ("+1,0 p.p.", True)),
        ("conversion", 0.02, 0.03, ("-1,0 p.p.", False)),
        ("conversion", 0.03, 0.0301, ("0,0 p.p.", None)),  # too little to be seen is no change, in no colour
        ("conversion", 0.03, 0.0, ("–", None)),
        ("leads", 38.0, 38.0, ("0,0 %", None)),
    ],
)
def test_a_change_has_a_direction_where_it_can_be_seen(
    monkeypatch: pytest.MonkeyPatch, name: str, now: float, before: float, shown: tuple[str, bool | None]
) -> None:
    monkeypatch.setattr(cards, "t", lambda key, **said: text_in("pt-BR", key, **said))
    text, is_up = Card(metric(name), now, before, "BRL")._change(BY_CODE["pt-BR"])
    assert (text.replace("\u2212", "-").replace("\u00a0", " "), is_up) == shown
