"""Turns of one subject: whether there is anything new is asked first, and a failure is raised."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from echolead.settings import Settings
from orchestration.dbt.runner import CompiledModel, DbtFailed, NodeFailure, NodeRun, WarehouseAway
from orchestration.live.side_turns import SideTurns
from orchestration.live.warehouse_turns import WarehouseTurn


class FakeTurns(SideTurns):
    """Two models without a warehouse: `news` says whether there is any, `result` follows from it."""

    selection, subject = "tag:tests", "tests"
    first_models = ("news",)
    has_news = "select count() from {news}"

    def __init__(self, *, news: int, failing: Mapping[str, str] | None = None) -> None:
        super().__init__(Settings(), None)  # type: ignore[arg-type]  # nothing is compiled
        self._failing = failing or {}
        self._models = {name: CompiledModel(("tests", name), "", {}, True, frozenset()) for name in ("news", "result")}
        self.asked: list[str] = []
        self.ran: list[str] = []
        self._client: Any = SimpleNamespace(query=self._answer)
        self._found = news

    def _answer(self, query: str) -> SimpleNamespace:
        self.asked.append(query)
        return SimpleNamespace(result_rows=[(self._found,)])

    def _run_models(self, models: Mapping[str, CompiledModel], turn: WarehouseTurn) -> None:
        for name, model in models.items():
            self.ran.append(name)
            if name in self._failing:
                turn.failed.append(NodeFailure(model.key, self._failing[name], ""))
            else:
                turn.models.append(NodeRun(model.key, 0.1))


def test_without_news_the_other_models_do_not_run_and_the_turn_is_empty() -> None:
    turns = FakeTurns(news=0)
    turn = turns.run()
    assert (turns.ran, turns.asked) == (["news"], ["select count() from `tests`.`news`"])
    assert turn.is_done
    assert not turn


def test_with_news_each_model_runs_once() -> None:
    turns = FakeTurns(news=1)
    turn = turns.run()
    assert turns.ran == ["news", "result"]
    assert [run.key[1] for run in turn.models] == turns.ran
    assert turn.is_done


@pytest.mark.parametrize("name", ["news", "result"])
def test_a_model_that_fails_is_named_and_nothing_runs_behind_it(name: str) -> None:
    turns = FakeTurns(news=1, failing={name: "Code: 395. DB::Exception: boom"})
    with pytest.raises(DbtFailed, match=f"turn of tests failed. tests.{name}: Code: 395"):
        turns.run()
    assert turns.ran[-1] == name


def test_a_warehouse_that_does_not_answer_is_not_the_models_failure() -> None:
    with pytest.raises(WarehouseAway):
        FakeTurns(news=1, failing={"news": "Connection refused"}).run()
